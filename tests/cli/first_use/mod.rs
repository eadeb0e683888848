//! The first use, with the commands of the README, on databases shaped like applications that Daymark does not know.

pub mod shape;
mod shapes;
mod strangers;

use daymark::clock::{Clock, SystemClock};
use jiff::{ToSpan, civil::DateTime, tz::TimeZone};

use crate::site::{Site, count, in_terminal};
use shape::{Shape, seconds};

/// Runs the commands from `init` to the first backfill. Columns that look like flags are named until the commented filters are
/// uncommented. Every total is then that of the hand-written SQL in [`Shape::totals`].
async fn first_use(site: Site, shape: &Shape) {
    let today = midnight();
    site.on_platform(&shape.sql(site.is_postgres(), today)).await;
    let init = site.run(&["init"]).expect_code(0).stdout;
    assert!(init.contains("before the first backfill"), "{init}");
    let written = site.config();
    for command in ["migrate", "apply"] {
        site.run(&[command]).expect_code(0);
    }
    let warned = site.run(&["check"]).expect_code(0).stdout;
    let noted = site.run(&["backfill", "--dry-run"]).expect_code(0).stderr;
    for flag in shape.flags {
        let (source, column) = flag.split_once(": ").unwrap();
        let named = |text: &str| {
            text.lines().any(|line| {
                line.contains(&format!("[sources.{source}]")) && line.contains(&format!("`{column}`"))
            })
        };
        assert!(named(&warned), "check does not name {flag}:\n{warned}\n{written}");
        assert!(named(&noted), "backfill does not name {flag}:\n{noted}");
        assert!(init.contains(&format!("`{source}.{column}`")), "init does not name {flag}:\n{init}");
    }
    site.write_config(&written.replace("\n# filter = ", "\nfilter = "));
    site.run(&["apply"]).expect_code(0);
    let checked = site.run(&["check"]).expect_code(0).stdout;
    assert!(!checked.contains("looks like a flag"), "{checked}");
    let noted = site.run(&["backfill"]).expect_code(0).stderr;
    assert!(!noted.contains("looks like a flag"), "{noted}");
    for days in [1, 9, 20] {
        let date = today.date() - i64::from(days).days();
        let records = site.store().records(date, date, None).await.unwrap();
        for (category, sql) in shape.totals {
            let sql = sql.replace("{start}", &format!("'{date} 00:00:00+00'"));
            let sql = sql.replace("{end}", &format!("'{} 00:00:00+00'", date.tomorrow().unwrap()));
            let recorded = records.iter().find(|record| record.key.category == *category);
            let recorded = recorded.map(|record| record.value.to_string());
            let sql = sql.replace("{start_seconds}", &seconds(date.into()).to_string());
            let sql = sql.replace("{end_seconds}", &seconds(date.tomorrow().unwrap().into()).to_string());
            let counted = count(&site.platform_url, &sql).await.to_string();
            assert_eq!(recorded, Some(counted), "{category} of {date}\n{}", site.config());
        }
    }
}

/// The midnight at which today began, in UTC.
fn midnight() -> DateTime {
    SystemClock.now().to_zoned(TimeZone::UTC).date().into()
}

macro_rules! first_use_of {
    ($($name:ident: $shape:expr,)+) => {
        mod sqlite { $(#[tokio::test]
            async fn $name() { super::first_use(crate::site::Site::empty_sqlite().await, &$shape).await })+ }
        mod postgres { $(#[tokio::test]
            async fn $name() { super::first_use(crate::site::Site::empty_postgres().await, &$shape).await })+ }
    };
}
first_use_of! {
    a_forum_without_foreign_keys: crate::first_use::shapes::FORUM,
    a_federated_link_aggregator: crate::first_use::shapes::FEDERATED,
    a_microblog_of_accounts: crate::first_use::shapes::MICROBLOG,
    a_shop_with_states: crate::first_use::shapes::SHOP,
    a_help_desk_with_stages: crate::first_use::shapes::HELP_DESK,
    a_learning_platform: crate::first_use::shapes::LEARNING,
    an_application_without_booleans: crate::first_use::shapes::MOVED,
    a_code_host_with_seconds: crate::first_use::shapes::CODE_HOST,
    a_chat_with_milliseconds: crate::first_use::shapes::CHAT,
}

/// `init` offers the same tables whether PostgreSQL has statistics about them or not.
#[tokio::test]
async fn statistics_and_a_sample_lead_to_the_same_file() {
    for shape in [shapes::FEDERATED, shapes::MOVED] {
        let site = Site::empty_postgres().await;
        site.on_platform(&shape.sql(true, midnight())).await;
        site.run(&["init"]).expect_code(0);
        let sampled = site.config();
        site.on_platform("ANALYZE").await;
        site.run(&["init", "--force"]).expect_code(0);
        assert_eq!(site.config(), sampled);
    }
}

/// A SQLite column without a type does not compare 0 with `'0'`.
#[tokio::test]
async fn the_filter_of_a_column_without_a_type_compares_numbers_and_texts() {
    let site = Site::empty_sqlite().await;
    site.on_platform(
        "CREATE TABLE posts (id INTEGER PRIMARY KEY, created_at TEXT NOT NULL, deleted NOT NULL, spam);
         INSERT INTO posts (created_at, deleted, spam) VALUES
           ('2025-01-01 10:00:00', 0, 0), ('2025-01-01 10:00:00', 1, NULL), ('2025-01-01 10:00:00', '0', '1'),
           ('2025-01-01 10:00:00', '1', 0), ('2025-01-01 10:00:00', 0, NULL), ('2025-01-01 10:00:00', '0', 1);",
    )
    .await;
    site.run(&["init"]).expect_code(0);
    let written = site.config();
    let filter = r#"# filter = { deleted = [0, "0"], spam = { is_not = [1, "1"] } }"#;
    assert!(written.contains(filter), "{written}");
    site.write_config(&written.replace("\n# filter = ", "\nfilter = "));
    for command in ["migrate", "apply", "backfill"] {
        site.run(&[command]).expect_code(0);
    }
    let date = jiff::civil::date(2025, 1, 1);
    let records = site.store().records(date, date, None).await.unwrap();
    let total = records.iter().find(|record| record.key.category == "posts_total").unwrap();
    assert_eq!(total.value.to_string(), "2");
}

/// The tables of another installation's store do not belong to the application.
#[tokio::test]
async fn the_tables_of_a_store_are_never_offered() {
    let site = Site::empty_postgres().await;
    site.on_platform(&shapes::SHOP.sql(true, midnight())).await;
    for schema in ["history", "daymark"] {
        let mut migrate = site.command(&["migrate", "--store-schema", schema]);
        let migrated = migrate.env("DAYMARK_STORE_URL", &site.platform_url).output().unwrap();
        assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
    }
    site.run(&["init"]).expect_code(0);
    let written = site.config();
    assert!(!written.contains("history") && !written.contains("metric_collection_log"), "{written}");
    assert!(written.contains("[sources.orders]"), "{written}");
}

/// `init` writes tables without rows as comments, and switches the built-in metrics that read them off.
#[tokio::test]
async fn a_metric_is_not_bound_to_a_table_without_rows() {
    let site = Site::empty_sqlite().await;
    let shape = Shape {
        tables: &[
            "users 20: id id, email text, created_at time",
            "posts 40: id id, user_id ref users, created_at time",
            "follows 0: id id, user_id ref users, created_at time",
            "invoices 0: id id, user_id ref users, created_at time",
        ],
        totals: &[],
        flags: &[],
    };
    site.on_platform(&shape.sql(false, midnight())).await;
    site.run(&["init"]).expect_code(0);
    let written = site.config();
    assert!(written.contains("[metrics.follows_total]\nactive = false"), "{written}");
    assert!(written.contains("# [sources.follows]") && written.contains("# [sources.invoices]"), "{written}");
    site.run(&["migrate"]).expect_code(0);
    let applied = site.run(&["apply"]).expect_code(0).stdout;
    assert!(applied.contains("posts_total") && !applied.contains("invoices_total"), "{applied}");
}

/// With the preset alone, without a file that `init` wrote, `check` and the first `backfill` name a table without rows.
#[tokio::test]
async fn a_table_without_rows_is_named_before_zeros_are_recorded() {
    let site = Site::empty_sqlite().await;
    let shape = Shape {
        tables: &[
            "users 20: id id, email text, created_at time",
            "posts 40: id id, user_id ref users, created_at time",
            "follows 0: id id, user_id ref users, created_at time",
        ],
        totals: &[],
        flags: &[],
    };
    site.on_platform(&shape.sql(false, midnight())).await;
    site.write_config("");
    for command in ["migrate", "apply"] {
        site.run(&[command]).expect_code(0);
    }
    let named = "`follows` has no rows, so every metric that reads it is recorded as 0, and a record is never changed";
    let checked = site.run(&["check"]).expect_code(0).stdout;
    assert!(checked.contains(named) && checked.contains("[sources.follows]"), "{checked}");
    assert!(!checked.contains("`posts` has no rows"), "{checked}");
    // The metrics that are left read other tables as well.
    site.write_config("[metrics.follows_total]\nactive = false\n");
    let checked = site.run(&["check"]).expect_code(0).stdout;
    assert!(!checked.contains("has no rows"), "{checked}");
    site.write_config("");
    let noted = site.run(&["backfill"]).expect_code(0).stderr;
    assert!(noted.contains(named), "{noted}");
    let again = site.run(&["backfill"]).expect_code(0).stderr;
    assert!(!again.contains(named), "what is recorded cannot be changed any more: {again}");
}

/// `include_flagged` lists flags that are ignored: rows count although the flag is set.
#[tokio::test]
async fn a_flag_that_is_meant_to_be_ignored_is_not_named_again() {
    let site = Site::empty_sqlite().await;
    site.on_platform(&shapes::LEARNING.sql(false, midnight())).await;
    site.run(&["init"]).expect_code(0);
    for command in ["migrate", "apply"] {
        site.run(&[command]).expect_code(0);
    }
    assert!(site.run(&["check"]).stdout.contains("`draft`"));
    let written = site.config();
    site.write_config(
        &written.replace("[sources.courses]", "[sources.courses]\ninclude_flagged = [\"draft\"]"),
    );
    let checked = site.run(&["check"]).expect_code(0).stdout;
    assert!(!checked.contains("`draft`"), "{checked}");
    site.write_config(
        &written.replace("[sources.courses]", "[sources.courses]\ninclude_flagged = [\"drafts\"]"),
    );
    let checked = site.run(&["check"]).expect_code(1).stdout;
    assert!(checked.contains("did you mean `draft`?"), "{checked}");
}

/// Who acts is counted by day, week and month, money and few values are recognised, and each proposal says why it is made.
#[tokio::test]
async fn a_first_set_fits_the_platform_and_says_why() {
    let site = Site::empty_sqlite().await;
    let shape = Shape {
        tables: &[
            "members 30: id id, email text, created_at time",
            "bookings 90: id id, member_id ref members, created_at time, total_price number, status one of open|paid|cancelled",
            "visits 200: id id, member_id ref members, created_at time, duration_seconds number, device one of phone|desk",
            "rooms 9: id id, name text, created_at time",
        ],
        totals: &[],
        flags: &[],
    };
    site.on_platform(&shape.sql(false, midnight())).await;
    let printed = site.run(&["init"]).expect_code(0).stdout;
    for (metric, reason) in [
        ("daily_active_users", "2 tables refer to `members`; rows of visits, bookings name who made them"),
        ("monthly_active_users", "2 tables refer to `members`"),
        ("stickiness", "of those who are active in a month, the share that is active on the day"),
        ("bookings_total_price_sum", "`bookings.total_price` is money"),
        ("bookings_total_price_average", "`bookings.total_price` is money"),
        ("visits_duration_seconds_p95", "`visits.duration_seconds` is a duration"),
        ("visits_duration_seconds_average", "`visits.duration_seconds` is a duration"),
        ("bookings_by_status", "`bookings.status` has 3 different values"),
        ("visits_by_device", "`visits.device` has 2 different values"),
        ("rooms_total", "`rooms` has a time of creation and 9 rows"),
    ] {
        let line = printed.lines().find(|line| line.trim_start().starts_with(metric));
        assert!(line.is_some_and(|line| line.contains(reason)), "{metric}: {reason}\n{printed}");
        assert!(site.config().contains(&format!("\n[metrics.{metric}]\n")), "{}", site.config());
    }
    assert!(printed.lines().count() <= 40, "it fits a screen:\n{printed}");
    for command in ["migrate", "apply", "check", "backfill"] {
        site.run(&[command]).expect_code(0);
    }
}

/// A wide platform has more metrics than a screen: the file records the first of them, and `--all` all.
#[tokio::test]
async fn no_more_metrics_than_fit_a_screen_are_proposed_unless_all_are_requested() {
    let site = Site::empty_sqlite().await;
    let tables: Vec<_> = (10..40).map(|n| format!("CREATE TABLE things_{n} (id INTEGER, created_at TEXT NOT NULL); INSERT INTO things_{n} VALUES (1, '2025-01-01 00:00:00');")).collect();
    site.on_platform(&tables.concat()).await;
    let few = site.json(&["init"]);
    assert_eq!((few["proposed"].as_array().unwrap().len(), &few["left_out"]), (24, &serde_json::json!(36)));
    let all = site.json(&["init", "--force", "--all"]);
    assert_eq!((all["proposed"].as_array().unwrap().len(), &all["left_out"]), (60, &serde_json::json!(0)));
    site.run(&["check"]);
    assert_eq!(site.json(&["plan"])["statements"].as_array().unwrap().len(), 30);
}

async fn the_answers_to_init_decide_what_the_database_leaves_open(site: Site) {
    site.on_platform(&shapes::HELP_DESK.sql(site.is_postgres(), midnight())).await;
    let typed = "Europe/Berln\nEurope/Berlin\nagent\nagents\nmessages\ny\n2025-02-30\n2025-03-01\n";
    let asked = in_terminal(&site, &["init", "--interactive"], typed).expect_code(0).stdout;
    for said in [
        "`Europe/Berln` is not the name of a time zone",
        "there is no table `agent`; did you mean `agents`?",
        "`tickets.spam`",
        "daymark backfill --from 2025-03-01",
    ] {
        assert!(asked.contains(said), "{said}:\n{asked}");
    }
    let written = site.config();
    assert!(written.contains("time_zone = \"Europe/Berlin\""), "{written}");
    let users = written.split("[sources.users]").nth(1).unwrap();
    assert!(users.lines().take(4).any(|line| line == "table = \"agents\""), "{written}");
    assert!(written.contains("\nfilter = { ") && !written.contains("\n# filter = "), "{written}");
    assert!(written.find("[sources.messages]") < written.find("[sources.tickets]"), "{written}");
    site.run(&["migrate"]).expect_code(0);
    site.run(&["apply"]).expect_code(0);
    let refused = site.run(&["init", "--force", "--interactive"]).expect_code(1);
    assert!(refused.stderr.contains("there is none"), "{}", refused.stderr);
}

/// Each question takes what stands in brackets, and what `init` prints fits a screen, on applications of different kinds.
#[tokio::test]
async fn the_questions_take_an_empty_answer_on_applications_of_six_kinds() {
    for shape in [
        shapes::FORUM,
        shapes::SHOP,
        shapes::HELP_DESK,
        shapes::LEARNING,
        shapes::CODE_HOST,
        shapes::CHAT,
        shapes::MICROBLOG,
    ] {
        let site = Site::empty_sqlite().await;
        site.on_platform(&shape.sql(false, midnight())).await;
        let asked = in_terminal(&site, &["init", "--interactive"], "\n\n\n\n\n").expect_code(0).stdout;
        for number in 1..=5 {
            assert!(asked.contains(&format!("{number}. ")), "question {number}:\n{asked}");
        }
        let printed = asked.split("Wrote daymark.toml.").nth(1).unwrap();
        assert!(printed.lines().count() <= 40, "it fits a screen:\n{printed}");
        let written = site.config();
        let active = written.split("[metrics.daily_active_users]").nth(1).unwrap_or_default();
        let sources = active.lines().find(|line| line.starts_with("sources")).unwrap_or_default();
        assert!(!sources.contains("users"), "people are not what people do: {sources}");
        // Without the questions the file is the same.
        site.run(&["init", "--force"]).expect_code(0);
        assert_eq!(site.config(), written);
        for command in ["migrate", "apply", "check"] {
            site.run(&[command]).expect_code(0);
        }
        let first = site.json(&["init", "--output", "-"])["proposed"][0]["metric_category"].clone();
        let preview = site.run(&["preview", first.as_str().unwrap()]).expect_code(0).stdout;
        assert!(preview.contains("Nothing was recorded."), "{preview}");
    }
}

mod asked {
    use crate::site::Site;

    #[tokio::test]
    async fn sqlite() {
        super::the_answers_to_init_decide_what_the_database_leaves_open(Site::empty_sqlite().await).await;
    }

    #[tokio::test]
    async fn postgres() {
        super::the_answers_to_init_decide_what_the_database_leaves_open(Site::empty_postgres().await).await;
    }
}
