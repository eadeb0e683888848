//! `init` on platforms of kinds that no preset has: a donation platform, a parking garage, a clinic, a library, a podcast
//! host, cabins and a newsroom.

use crate::{
    first_use::{midnight, shape::Shape},
    site::{Site, count, in_terminal},
};

/// Donors without a table of users, three currencies, and pledges that end.
const DONATIONS: Shape = shape(&[
    "donors 60: id id, name text, created_at time",
    "campaigns 6: id id, title text, created_at time",
    "donations 300: id id, donor_id ref donors, campaign_id ref campaigns, amount money, currency one of EUR|USD|GBP, status one of \
     failed|pending|succeeded, created_at time",
    "pledges 80: id id, donor_id ref donors, amount money, created_at time, ended_at time 40%",
]);

/// Times as numbers under names of their own; a stay has a time of entry that no name tells.
const GARAGE: Shape = shape(&[
    "permit_holders 40: id id, name text, issued_at unix",
    "garages 4: id id, name text",
    "stays 1200: id id, garage_id ref garages, holder_id ref permit_holders, plate text, entered unix, \"left\" unix 90%, fee money, \
     vehicle_type one of car|van|bike",
    "payments 200: id id, garage_id ref garages, amount money, paid_at unix",
]);

/// Patients beside doctors, appointments with a bill, and texts that are no labels.
const CLINIC: Shape = shape(&[
    "departments 3: id id, name text",
    "doctors 7: id id, name text, email text, department_id ref departments, created_at time",
    "patients 90: id id, name text, created_at time",
    "appointments 1200: id id, patient_id ref patients, doctor_id ref doctors, created_at time, details json, bill money, is_urgent flag \
     20%, state one of booked|cancelled|no_show",
]);

/// Members and their loans, without anything that is posted.
const LIBRARY: Shape = shape(&[
    "branches 3: id id, name text",
    "members 50: id id, email text, joined_on time, left_on time 20%",
    "loans 200: id id, member_id ref members, branch_id ref branches, lent_at time, returned_at time 70%",
]);

/// Listeners, whose plays say in seconds that are texts how long they took.
const PODCASTS: Shape = shape(&[
    "listeners 50: id id, name text, created_at time",
    "episodes 9: id id, title text, created_at time",
    "plays 1100: id id, listener_id ref listeners, episode_id ref episodes, created_at time, completed flag 60%, seconds_listened digits",
    "follows 120: id id, listener_id ref listeners, created_at time, unfollowed_at time 20%",
]);

/// Guests of cabins, in a database that was imported without its constraints.
const CABINS: Shape = shape(&[
    "guests 40: id id, name text, created_at time",
    "cabins 6: id id, name text",
    "stays 300: id id, guest_id link guests, cabin_id link cabins, created_at time, checked_out_at time 80%, price money, no_show \
     flag 10%",
    "reviews 90: id id, \"guestNumber\" link guests, created_at time, stars number",
]);

/// A newsroom, whose subscriptions are paid for, and whose articles are retracted.
const NEWSROOM: Shape = shape(&[
    "sections 6: id id, title text",
    "desks 4: id id, name text",
    "readers 200: id id, email text, signed_up millis, plan one of free|basic",
    "articles 300: id id, section_id ref sections, desk_id ref desks, status one of draft|published, created_at time, retracted_at time 4%",
    "page_views 1200: id id, article_id ref articles, reader_id ref readers, ts millis, seconds number",
    "subscriptions 150: id id, reader_id ref readers, started_on time, ended_on time 30%, monthly_price money",
    "comments 400: id id, article_id ref articles, reader_id ref readers, created_at time",
]);

const fn shape(tables: &'static [&'static str]) -> Shape {
    Shape { tables, totals: &[], flags: &[] }
}

/// What `init` prints and writes on both databases, after checking that the file works and its summary fits a screen.
async fn first_files(shape: &Shape) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for site in [Site::empty_sqlite().await, Site::empty_postgres().await] {
        site.on_platform(&shape.sql(site.is_postgres(), midnight())).await;
        let printed = site.run(&["init"]).expect_code(0).stdout;
        assert!(printed.lines().count() <= 40, "it fits a screen:\n{printed}");
        for command in ["migrate", "apply", "check"] {
            site.run(&[command]).expect_code(0);
        }
        files.push((printed, site.config()));
    }
    files
}

/// Whether the file has the section as it is written, and records it.
#[track_caller]
fn has(file: &str, section: &str) {
    let (head, keys) = section.split_once('\n').unwrap_or((section, ""));
    let found = file.split(&format!("\n{head}\n")).nth(1).unwrap_or_else(|| panic!("{head}:\n{file}"));
    let found = found.split("\n\n").next().unwrap_or_default();
    for key in keys.lines() {
        assert!(found.lines().any(|line| line == key), "{head} {key}:\n{found}");
    }
}

#[tokio::test]
async fn a_donation_platform_counts_its_donors_and_each_currency() {
    for (printed, file) in first_files(&DONATIONS).await {
        has(&file, "[metrics.daily_active_donors]\nsources = [\"donations\", \"pledges\"]");
        has(&file, "[metrics.week_4_retention]");
        assert!(
            printed.contains("2 tables refer to `donors`; rows of donations, pledges name who made them")
        );
        has(&file, "[metrics.donations_amount_by_currency]\ncolumn = \"currency\"\nsum = \"amount\"");
        assert!(
            file.contains(
                "`donations.amount` is money in several currencies (`currency`), which do not add up"
            )
        );
        assert!(!file.contains("[metrics.donations_amount_sum]"), "{file}");
        has(&file, "[metrics.pledges_amount_sum]");
        has(&file, "[metrics.donations_by_campaign]\ncolumn = \"campaign.title\"");
        has(
            &file,
            "[sources.donations]\n# status is one of \"failed\", \"pending\", \"succeeded\", of which \"failed\" may not count\n# filter = \
             { status = { not_in = [\"failed\"] } }",
        );
        has(&file, "[sources.pledges]\n# deleted_column = \"ended_at\"");
        assert!(printed.contains("`pledges.ended_at`"), "{printed}");
    }
}

#[tokio::test]
async fn a_parking_garage_has_times_that_only_their_values_tell() {
    for (printed, file) in first_files(&GARAGE).await {
        has(&file, "[sources.payments]\ntime_column = \"paid_at\"\ntime_format = \"unix_seconds\"");
        has(&file, "[sources.permit_holders]\ntime_column = \"issued_at\"");
        has(
            &file,
            "[sources.stays]\ntime_column = \"entered\"\ntime_format = \"unix_seconds\"\nactor_column = \"holder_id\"\n# deleted_column = \
             \"left\"",
        );
        assert!(file.contains("# `entered` may be the time of creation: its name does not say so"), "{file}");
        has(&file, "[metrics.stays_fee_sum]");
        has(&file, "[metrics.stays_by_garage]\ncolumn = \"garage.name\"");
        has(&file, "[metrics.daily_active_permit_holders]\nsources = [\"stays\"]");
        assert!(printed.contains("1 table refers to `permit_holders`"), "{printed}");
        assert!(
            printed.contains("`stays` has times in `entered`, perhaps those of creation, and 1 200 rows")
        );
        assert!(
            printed.contains("\nProposed, with the reason:\n"),
            "there are no built-in metrics:\n{printed}"
        );
    }
}

#[tokio::test]
async fn a_clinic_counts_its_patients_and_not_its_doctors() {
    for (printed, file) in first_files(&CLINIC).await {
        has(&file, "[metrics.daily_active_patients]\nsources = [\"appointments\"]");
        has(&file, "[sources.appointments]\nactor_column = \"patient_id\"");
        has(&file, "[metrics.appointments_bill_sum]");
        has(&file, "[metrics.appointments_by_doctor]\ncolumn = \"doctor.name\"");
        has(&file, "[metrics.appointments_by_is_urgent]");
        assert!(!file.contains("by_details"), "{file}");
        has(
            &file,
            "[sources.appointments]\n# filter = { state = { not_in = [\"cancelled\", \"no_show\"] } }",
        );
        assert!(printed.contains("`appointments.state`"), "{printed}");
    }
}

#[tokio::test]
async fn a_library_gets_no_metrics_of_a_community() {
    for (printed, file) in first_files(&LIBRARY).await {
        assert!(file.contains("preset = \"none\"") && !file.contains("left out"), "{file}");
        has(&file, "[metrics.users_total]\nsource = \"users\"");
        has(&file, "[metrics.daily_active_users]\nsources = [\"loans\"]");
        has(&file, "[sources.users]\ntable = \"members\"\n# deleted_column = \"left_on\"");
        has(&file, "[sources.loans]\n# deleted_column = \"returned_at\"");
        has(&file, "[metrics.loans_by_branch]\ncolumn = \"branch.name\"");
        assert!(printed.contains("`users.left_on`, `loans.returned_at`"), "{printed}");
    }
}

#[tokio::test]
async fn people_are_seen_without_foreign_keys_and_a_flag_may_count() {
    for (printed, file) in first_files(&CABINS).await {
        has(&file, "[metrics.daily_active_guests]\nsources = [\"stays\", \"reviews\"]");
        has(&file, "[sources.stays]\nactor_column = \"guest_id\"\n# filter = { no_show = false }");
        has(&file, "[sources.reviews]\nactor_column = \"guestNumber\"");
        has(&file, "[sources.stays]\n# deleted_column = \"checked_out_at\"");
        has(&file, "[metrics.stays_by_no_show]");
        assert!(printed.contains("2 tables refer to `guests`"), "{printed}");
    }
}

#[tokio::test]
async fn a_newsroom_has_paid_subscriptions_and_no_follows() {
    for (_, file) in &first_files(&NEWSROOM).await {
        has(file, "[sources.subscriptions]\nactor_column = \"reader_id\"\n# deleted_column = \"ended_on\"");
        has(file, "[metrics.subscriptions_monthly_price_average]");
        assert!(!file.contains("[sources.follows]"), "{file}");
        has(file, "[sources.users]\ntable = \"readers\"\ntime_column = \"signed_up\"");
        has(file, "[sources.posts]\n# deleted_column = \"retracted_at\"");
        let place = |metric: &str| file.find(&format!("[metrics.{metric}]"));
        assert!(place("posts_by_section").unwrap() < place("posts_by_desk").unwrap(), "{file}");
    }
}

/// A column that is only named after a table of people does not refer to it.
#[tokio::test]
async fn a_column_whose_values_are_no_keys_is_not_taken_for_an_actor() {
    for site in [Site::empty_sqlite().await, Site::empty_postgres().await] {
        site.on_platform(&CABINS.sql(site.is_postgres(), midnight())).await;
        site.on_platform(
            "UPDATE stays SET guest_id = guest_id + 40; UPDATE reviews SET \"guestNumber\" = 0;",
        )
        .await;
        site.run(&["init"]).expect_code(0);
        assert!(!site.config().contains("actor_column"), "{}", site.config());
    }
}

#[tokio::test]
async fn a_podcast_host_counts_its_listeners() {
    for (_, file) in first_files(&PODCASTS).await {
        has(&file, "[metrics.monthly_active_listeners]\nsources = [\"plays\", \"follows\"]");
        has(&file, "[metrics.plays_by_completed]");
        has(&file, "[metrics.plays_by_episode]\ncolumn = \"episode.title\"");
        assert!(!file.contains("by_seconds_listened"), "{file}");
        has(&file, "[sources.follows]\n# deleted_column = \"unfollowed_at\"");
    }
}

/// The end of a row and the filter of a state count as they should once the `#` is removed.
#[tokio::test]
async fn commented_lines_work_without_their_number_sign() {
    let site = Site::empty_sqlite().await;
    site.on_platform(&DONATIONS.sql(false, midnight())).await;
    site.run(&["init"]).expect_code(0);
    let written = site.config();
    site.write_config(&written.replace("\n# filter = ", "\nfilter = ").replace("\n# deleted_", "\ndeleted_"));
    for command in ["migrate", "apply", "check", "backfill"] {
        site.run(&[command]).expect_code(0);
    }
    let date = midnight().date().yesterday().unwrap();
    let records = site.store().records(date, date, None).await.unwrap();
    for (category, rows) in [
        ("pledges_total", "pledges WHERE ended_at IS NULL OR ended_at >= '{end}'"),
        ("donations_total", "donations WHERE status <> 'failed'"),
    ] {
        let recorded = records.iter().find(|record| record.key.category == category).unwrap();
        let end = midnight().strftime("%Y-%m-%d %H:%M:%S").to_string();
        let sql = format!("SELECT count(*) FROM {}", rows.replace("{end}", &end));
        assert_eq!(
            recorded.value.to_string(),
            count(&site.platform_url, &sql).await.to_string(),
            "{category}"
        );
    }
}

#[tokio::test]
async fn the_zone_and_the_preset_that_are_set_are_written() {
    let site = Site::empty_sqlite().await;
    site.on_platform(&LIBRARY.sql(false, midnight())).await;
    let printed = site.run(&["init", "--time-zone", "Asia/Tokyo"]).expect_code(0).stdout;
    assert!(site.config().contains("time_zone = \"Asia/Tokyo\"") && !printed.contains("set it to the zone"));
    let mut by_environment = site.command(&["init", "--force"]);
    by_environment.env("DAYMARK_TIME_ZONE", "Europe/Paris").env("DAYMARK_PRESET", "community");
    assert!(by_environment.output().unwrap().status.success());
    let written = site.config();
    assert!(written.contains("time_zone = \"Europe/Paris\""), "{written}");
    assert!(written.contains("preset = \"community\""), "{written}");
    // What an earlier file says is kept.
    site.run(&["init", "--force"]).expect_code(0);
    assert!(site.config().contains("time_zone = \"Europe/Paris\""), "{}", site.config());
    let asked = in_terminal(&site, &["init", "--force", "--interactive"], "\n\n\n\n\n").expect_code(0).stdout;
    assert!(asked.contains("[Europe/Paris]"), "{asked}");
    assert!(site.config().contains("time_zone = \"Europe/Paris\""), "{}", site.config());
}

/// The question of the users proposes the table that is recognised, and `none` is an answer too.
#[tokio::test]
async fn the_people_who_act_are_proposed_and_can_be_refused() {
    let site = Site::empty_sqlite().await;
    site.on_platform(&DONATIONS.sql(false, midnight())).await;
    let asked = in_terminal(&site, &["init", "--interactive"], "\n\n\n\n\n").expect_code(0).stdout;
    assert!(asked.contains("[donors]"), "{asked}");
    assert!(site.config().contains("[metrics.daily_active_donors]"), "{}", site.config());
    in_terminal(&site, &["init", "--force", "--interactive"], "\nnone\n\n\n\n").expect_code(0);
    assert!(!site.config().contains("distinct_actors"), "{}", site.config());
    // A table without a time of creation may have the users all the same.
    site.on_platform("ALTER TABLE donors DROP COLUMN created_at").await;
    in_terminal(&site, &["init", "--force", "--interactive"], "\ndonors\n\n\n\n").expect_code(0);
    assert!(site.config().contains("[metrics.daily_active_donors]"), "{}", site.config());
}
