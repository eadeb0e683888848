//! Calls that are refused, and runs that fail: the collection log says why, and nothing recorded changes.

use daymark::clock::{Clock, SystemClock};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::platform::{Database, error_of, try_query};

const COLLECT: &str = "SELECT metrics_collected, status FROM daymark.collect_daily_metrics()";
const LOG: &str =
    "SELECT kind, status, metrics_collected, error_message, error_details -> 'sqlstate' AS sqlstate,
    jsonb_path_query_array(error_details, '$.failures[*].metric_category') AS failures, trigger, actor
    FROM daymark.metric_collection_log WHERE tenant_id = 'functions' ORDER BY started_at";
/// Yesterday can be recorded at any time of the day.
const NOW: &str = "settle_minutes = 0\n";

async fn installed(settings: &str, metrics: &str) -> Database {
    let database = Database::new(settings, metrics).await;
    database.run("functions", &["sql", "install"]).done();
    database
}

#[tokio::test]
async fn a_metric_that_fails_does_not_affect_the_others_and_is_in_the_log() {
    let database = installed(NOW, "").await;
    database.execute("ALTER TABLE tracks RENAME COLUMN duration TO seconds").await;
    let answer = database.query(COLLECT).await;
    assert_eq!(answer, json!([{"metrics_collected": 11, "status": "partial"}]));
    let log = database.query(LOG).await;
    assert_eq!(log[0]["failures"], json!(["track_duration"]));
    assert_eq!((&log[0]["sqlstate"], &log[0]["metrics_collected"]), (&json!("42703"), &json!(11)));
    assert_eq!((&log[0]["trigger"], &log[0]["actor"]), (&json!("cli"), &json!("sql:postgres")));
    let gaps = database.run("functions", &["gaps", "--format", "json"]).done();
    assert!(gaps.contains("seconds") || gaps.contains("duration"), "{gaps}");
}

#[tokio::test]
async fn a_run_that_fails_leaves_its_entry_in_the_log() {
    let database = installed(NOW, "").await;
    database
        .execute("ALTER TABLE daymark.daily_metrics ADD CONSTRAINT none CHECK (value < -1) NOT VALID")
        .await;
    let answer = database.query(COLLECT).await;
    assert_eq!(answer, json!([{"metrics_collected": 0, "status": "failed"}]));
    let log = database.query(LOG).await;
    assert_eq!(log[0]["failures"].as_array().unwrap().len(), 12, "{log}");
    assert!(log[0]["error_message"].as_str().unwrap().contains("(23514)"), "{log}");
    assert_eq!(
        database
            .query("SELECT kind FROM daymark.events WHERE tenant_id = 'functions' ORDER BY id DESC LIMIT 1")
            .await,
        json!([{"kind": "run_failed"}])
    );
}

/// A function runs with the privileges of the schema's owner, which reads more than the platform's role.
#[tokio::test]
async fn a_query_that_was_created_through_the_api_is_not_recorded_by_a_function() {
    let metric = "[metrics.answer]\nmeasure = \"sql\"\nquery = \"SELECT 42 AS value\"\nreturns = \"value\"\nadds_up = \"last\"\n";
    let database = Database::new(NOW, metric).await;
    let install = || database.run("functions", &["sql", "install"]).done();
    let of_file = install();
    assert!(!of_file.contains("do not record answer"), "{of_file}");
    database
        .execute("UPDATE daymark.metric_definitions SET origin = 'api' WHERE metric_category = 'answer'")
        .await;
    let of_api = install();
    assert!(of_api.contains("They do not record answer: its query was created through the API"), "{of_api}");
    database.query(COLLECT).await;
    let recorded = "SELECT count(*) FILTER (WHERE metric_category = 'answer') AS answers, count(*) > 10 AS others FROM daymark.daily_metrics";
    assert_eq!(database.query(recorded).await, json!([{"answers": 0, "others": true}]));
}

/// What pg_cron's session looks like: its name is all that the functions know it by.
#[tokio::test]
async fn pg_cron_is_refused_while_the_schedule_is_paused_and_others_are_not() {
    let database = installed(NOW, "").await;
    let pause = ["schedule", "pause", "--reason", "moving the database", "--for", "2h"];
    database.run("functions", &pause).done();
    let mut cron = database.connect().await;
    cron.execute("SET application_name = 'pg_cron'").await.unwrap();
    for call in [COLLECT, "SELECT total_metrics FROM daymark.backfill_daily_metrics(current_date - 3)"] {
        let refused = error_of(&mut cron, call).await;
        assert!(refused.starts_with("55000 the schedule is paused since "), "{refused}");
        assert!(refused.ends_with("UTC: moving the database Run `daymark schedule resume`."), "{refused}");
    }
    assert_eq!(database.query(LOG).await, json!([]), "a call that is refused is no run");
    database.run("functions", &["schedule", "resume"]).done();
    let answer = try_query(&mut cron, COLLECT).await.unwrap();
    assert_eq!(answer, json!([{"metrics_collected": 12, "status": "completed"}]));
    database.run("functions", &pause).done();
    let answer =
        database.query("SELECT total_metrics FROM daymark.backfill_daily_metrics(current_date - 3)").await;
    assert_eq!(answer, json!([{"total_metrics": 24}]), "a call by hand is made in spite of the pause");
}

/// A function that waits for a lock of the test while a view is read.
const WAITING_VIEW: &str = "
    CREATE FUNCTION waits() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN TRUE; END $$;
    CREATE VIEW aaa AS SELECT id, created_at FROM (SELECT * FROM profiles OFFSET 0) AS all_profiles WHERE waits()";
const WAITING_METRIC: &str = "[sources.aaa]\ntable = \"aaa\"\ntime_column = \"created_at\"\n[metrics.aaa]\nmeasure = \"existing\"\nsource = \"aaa\"\n";

#[tokio::test]
async fn a_statement_that_is_cancelled_is_in_the_log() {
    let database = Database::new(NOW, "").await;
    database.execute(WAITING_VIEW).await;
    database.write_config(&format!("{NOW}{WAITING_METRIC}"));
    database.run("functions", &["apply"]).done();
    database.run("functions", &["sql", "install"]).done();
    let mut holder = database.connect().await;
    holder.execute("SELECT pg_advisory_lock(42)").await.unwrap();
    let mut session = database.connect().await;
    session.execute("SET statement_timeout = '300ms'").await.unwrap();
    let answer = try_query(&mut session, COLLECT).await.unwrap();
    assert_eq!(answer, json!([{"metrics_collected": 0, "status": "failed"}]));
    let log = database.query(LOG).await;
    assert_eq!((&log[0]["status"], &log[0]["sqlstate"]), (&json!("failed"), &json!("57014")));
    // A backfill keeps the days before the one that was cancelled: here, none.
    let backfill =
        "SELECT dates_processed, total_metrics FROM daymark.backfill_daily_metrics(current_date - 3)";
    assert_eq!(
        try_query(&mut session, backfill).await.unwrap(),
        json!([{"dates_processed": 0, "total_metrics": 0}])
    );
    let log = database.query(LOG).await;
    assert_eq!((&log[1]["kind"], &log[1]["sqlstate"]), (&json!("backfill"), &json!("57014")));
}

#[tokio::test]
async fn all_metrics_of_a_day_are_read_in_one_cut() {
    // Observed within a week, so that the first rows are not asked for.
    let settings = format!("{NOW}[collect]\nobserved_within_hours = 168\n");
    let database = Database::new(&settings, "").await;
    database.execute(WAITING_VIEW).await;
    database.write_config(&format!("{settings}{WAITING_METRIC}"));
    database.run("functions", &["apply"]).done();
    database.run("functions", &["sql", "install"]).done();
    let count = "SELECT count(*) AS posts FROM posts WHERE created_at >= current_date - 1 AND created_at < current_date";
    let before = database.query(count).await[0]["posts"].clone();
    let mut holder = database.connect().await;
    holder.execute("SELECT pg_advisory_lock(42)").await.unwrap();
    let mut caller = database.connect().await;
    let call = tokio::spawn(async move { try_query(&mut caller, COLLECT).await.unwrap() });
    let waiting =
        "SELECT count(*) AS waiting FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    while database.query(waiting).await[0]["waiting"] == 0 {
        tokio::task::yield_now().await;
    }
    // While the first source is read, rows of a source that is read later are committed.
    database.execute("INSERT INTO posts (id, created_at) SELECT n, current_date - interval '1 hour' FROM generate_series(9001, 9050) AS n").await;
    holder.execute("SELECT pg_advisory_unlock(42)").await.unwrap();
    assert_eq!(call.await.unwrap()[0]["status"], "completed");
    let recorded = database
        .query("SELECT value FROM daymark.daily_metrics WHERE tenant_id = 'functions' AND metric_category = 'posts_created'")
        .await;
    assert_eq!(recorded[0]["value"], before);
    assert_ne!(database.query(count).await[0]["posts"], before);
}

#[tokio::test]
async fn recorded_values_stay_when_rows_are_deleted() {
    let database = installed(NOW, "").await;
    database.query(COLLECT).await;
    let values = "SELECT * FROM daymark.daily_metrics ORDER BY metric_category";
    let before = database.query(values).await;
    database.execute("DELETE FROM posts").await;
    assert_eq!(database.query(COLLECT).await, json!([{"metrics_collected": 0, "status": "completed"}]));
    let last = "SELECT total_metrics FROM daymark.backfill_daily_metrics(current_date - 1)";
    assert_eq!(database.query(last).await[0]["total_metrics"], 0);
    assert_eq!(database.query(values).await, before);
}

#[tokio::test]
async fn changed_definitions_are_refused_until_the_functions_are_installed_again() {
    let database = installed(NOW, "").await;
    database.write_config(&format!("{NOW}[metrics.posts_created]\ndescription = \"Other words.\"\n"));
    database.run("functions", &["apply"]).done();
    let error = database.error(COLLECT).await;
    assert_eq!(
        error,
        "55000 the definitions have changed since these functions were installed (posts_created) Run `daymark sql install` again."
    );
    assert_eq!(database.error("SELECT * FROM daymark.backfill_daily_metrics('2026-01-01')").await, error);
    database.run("functions", &["sql", "install"]).done();
    assert_eq!(database.query(COLLECT).await[0]["status"], "completed");
}

/// A zone in which the day began one to two hours ago.
fn zone_just_after_midnight() -> String {
    let hour = i64::from(SystemClock.now().to_zoned(jiff::tz::TimeZone::UTC).hour());
    let ahead = if hour > 13 { 25 - hour } else { 1 - hour };
    // Their names have the sign of POSIX: Etc/GMT-5 is five hours ahead.
    format!("Etc/GMT{:+}", -ahead).replace("+0", "").replace("-0", "")
}

#[tokio::test]
async fn a_day_that_still_settles_is_refused_with_the_time_when_it_is_ready() {
    let zone = zone_just_after_midnight();
    let database = installed(&format!("settle_minutes = 720\ntime_zone = \"{zone}\"\n"), "").await;
    let today = format!("(now() AT TIME ZONE '{zone}')::date");
    let ready =
        database.query(&format!("SELECT to_char({today}, 'YYYY-MM-DD 12:00 ') || '{zone}' AS ready")).await;
    let ready = ready[0]["ready"].as_str().unwrap();
    let error = database.error(COLLECT).await;
    assert!(
        error.starts_with("22023 ") && error.contains(&format!("it can be recorded from {ready}")),
        "{error}"
    );
    let error = database.error(&format!("SELECT * FROM daymark.backfill_daily_metrics({today} - 9)")).await;
    assert!(error.contains(&format!("it can be recorded from {ready}")), "{error}");
    let named = database.error(&format!("SELECT * FROM daymark.collect_daily_metrics({today} - 1)")).await;
    assert!(named.contains("is not finished: it can be recorded from"), "{named}");
    // An earlier day has settled.
    let earlier = format!("SELECT status FROM daymark.collect_daily_metrics({today} - 2)");
    assert_eq!(database.query(&earlier).await[0]["status"], "completed");
}

#[tokio::test]
async fn days_that_cannot_be_recorded_are_refused() {
    let database = installed(&format!("{NOW}time_zone = \"Pacific/Apia\"\n"), "").await;
    for (call, expected) in [
        ("collect_daily_metrics('9999-12-31')", "9999-12-31 is not finished"),
        ("collect_daily_metrics('infinity')", "infinity is not finished"),
        ("collect_daily_metrics('-infinity')", "-infinity is before 1900-01-01"),
        ("collect_daily_metrics('1899-12-31')", "1899-12-31 is before 1900-01-01"),
        ("collect_daily_metrics('2011-12-30')", "2011-12-30 does not exist in Pacific/Apia"),
        ("collect_daily_metrics('2011-12-31')", "so there is nothing to reconstruct"),
        ("backfill_daily_metrics(NULL)", "start_date must not be null"),
        (
            "backfill_daily_metrics('2020-01-02', '2020-01-01')",
            "the range is empty: 2020-01-02 is after 2020-01-01",
        ),
        ("backfill_daily_metrics('2011-12-01', '2011-12-31')", "so there is nothing to reconstruct"),
        ("backfill_daily_metrics('9999-01-01')", "9999-01-01 is not finished"),
        ("backfill_daily_metrics('-infinity')", "-infinity is before 1900-01-01"),
    ] {
        let error = database.error(&format!("SELECT * FROM daymark.{call}")).await;
        assert!(error.contains(expected), "{call}: {error}");
    }
    assert_eq!(database.query(LOG).await, json!([]), "a refusal is no run");
}

#[tokio::test]
async fn a_day_is_recorded_by_one_at_a_time() {
    let database = installed(NOW, "").await;
    let mut session = database.connect().await;
    let mut transaction = session.begin().await.unwrap();
    try_query(&mut transaction, COLLECT).await.unwrap();
    let second = database.error(COLLECT).await;
    assert!(second.starts_with("55P03 collecting ") && second.contains("by another session"), "{second}");
    assert_eq!(database.run("functions", &["collect"]).code, Some(4), "the service sees the lock");
    transaction.rollback().await.unwrap();
    database.run("functions", &["collect"]).done();
}

#[tokio::test]
async fn the_functions_need_the_database_of_the_platform() {
    let database = Database::new(NOW, "").await;
    let elsewhere = crate::support::fresh_database().await;
    let refused = database.run("functions", &["sql", "install", "--platform-url", &elsewhere]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("are not the same database"), "{}", refused.stderr);
    let sqlite = database.run("functions", &["sql", "install", "--platform-url", "sqlite:app.db"]);
    assert_ne!(sqlite.code, Some(0));
}

#[tokio::test]
async fn metrics_that_a_function_cannot_record_are_named() {
    let metric = "[sources.old_posts]\ntable = \"old_posts\"\ntime_column = \"created_at\"\n[metrics.old_posts]\nmeasure = \"existing\"\nsource = \"old_posts\"\n";
    let database = Database::new(NOW, "").await;
    database.execute("CREATE MATERIALIZED VIEW old_posts AS SELECT * FROM posts").await;
    database.write_config(&format!("{NOW}{metric}"));
    database.run("functions", &["apply"]).done();
    let installed = database.run("functions", &["sql", "install"]).done();
    assert!(installed.contains("for 12 of 13 metrics"), "{installed}");
    assert!(installed.contains("They do not record old_posts: it reads materialized view"), "{installed}");
    assert_eq!(database.query(COLLECT).await, json!([{"metrics_collected": 12, "status": "completed"}]));
}

#[tokio::test]
async fn schemas_in_which_every_role_may_create_objects_are_refused() {
    let database = Database::new(NOW, "").await;
    database.execute("GRANT CREATE ON SCHEMA public TO PUBLIC").await;
    let refused = database.run("functions", &["sql", "install"]);
    assert!(
        refused.stderr.contains("run `REVOKE CREATE ON SCHEMA public FROM PUBLIC` first"),
        "{}",
        refused.stderr
    );
    assert_eq!(refused.code, Some(1));
}

#[tokio::test]
async fn uninstalling_removes_the_functions_and_keeps_the_record() {
    let database = installed(NOW, "").await;
    database.query(COLLECT).await;
    let records = "SELECT count(*) AS records FROM daymark.daily_metrics";
    let before = database.query(records).await;
    assert_ne!(before, json!([{"records": 0}]));
    let check = database.run("functions", &["check", "--format", "json"]);
    let report: Value = serde_json::from_str(&check.stdout).unwrap();
    let of_store = |finding: &&Value| finding["place"] == "store";
    assert!(!report["findings"].as_array().unwrap().iter().any(|finding| of_store(&finding)), "{report}");
    database.run("functions", &["sql", "uninstall"]).done();
    assert!(database.error(COLLECT).await.contains("42883"));
    let left =
        "SELECT proname FROM pg_proc WHERE pronamespace = 'daymark'::regnamespace AND proname ~ '^sql_'";
    assert_eq!(database.query(left).await, json!([]));
    assert_eq!(database.query(records).await, before);
    let again = database.run("functions", &["sql", "uninstall"]).done();
    assert!(again.contains("No functions were installed"), "{again}");
}

/// The script that is shown is the one that is installed.
#[tokio::test]
async fn the_script_that_is_shown_installs_the_functions_too() {
    let database = Database::new(NOW, "").await;
    let script = database.run("functions", &["sql", "show"]).done();
    let mut session = PgConnection::connect(&database.url).await.unwrap();
    session.execute(AssertSqlSafe(script)).await.unwrap();
    assert_eq!(database.query(COLLECT).await[0]["status"], "completed");
    assert!(
        error_of(&mut session, "SELECT * FROM daymark.collect_daily_metrics('9999-01-01')")
            .await
            .contains("22023")
    );
}

/// A source that cannot be read may have the platform's first row.
#[tokio::test]
async fn a_first_row_that_may_be_earlier_is_not_taken_for_the_first() {
    let database = installed(NOW, "").await;
    database.execute("ALTER TABLE comments RENAME TO hidden").await;
    let mut caller = database.connect().await;
    let backfill = "SELECT total_metrics FROM daymark.backfill_daily_metrics('2000-01-01', current_date - 3)";
    let refused = error_of(&mut caller, backfill).await;
    assert!(refused.contains("whether those of `comments` begin earlier cannot be read"), "{refused}");
    let answer =
        try_query(&mut caller, "SELECT status FROM daymark.collect_daily_metrics('2000-01-01')").await;
    assert_eq!(answer.unwrap(), json!([{"status": "partial"}]));
    database.execute("ALTER TABLE hidden RENAME TO comments").await;
    let refused = error_of(&mut caller, "SELECT daymark.collect_daily_metrics('2000-01-02')").await;
    assert!(refused.contains("so there is nothing to reconstruct"), "{refused}");
}
