//! The commands in the order in which a new user runs them, from an unknown platform to a recorded history.

use insta::assert_snapshot;

use crate::site::{DEFINITIONS, Site, filtered};

fn named(site: &Site, what: &str) -> String {
    format!("{what}_{}", if site.is_postgres() { "postgres" } else { "sqlite" })
}

async fn init_recognises_the_platform(site: Site) {
    site.run(&["init"]).expect_code(0);
    let written = std::fs::read_to_string(site.directory.path().join("daymark.toml")).unwrap();
    filtered(|| assert_snapshot!(named(&site, "init"), site.neutral(&written)));
    for command in ["migrate", "apply", "check"] {
        site.run(&[command]).expect_code(0);
    }
    let again = site.run(&["init"]).expect_code(1);
    assert_eq!(
        again.stderr,
        "error: `daymark.toml` exists; --force overwrites it, `--output -` prints instead\n"
    );
}

async fn apply_brings_the_definitions_of_the_store_in_line(site: Site) {
    site.write_config(DEFINITIONS);
    let mut story = site.transcript(&[
        &["check"],
        &["collect"],
        &["migrate", "--dry-run"],
        &["migrate"],
        &["migrate"],
        &["check"],
        &["collect"],
        &["status"],
        &["apply", "--dry-run"],
        &["apply"],
        &["apply"],
        &["check"],
    ]);
    site.write_config(&DEFINITIONS.replace("window_days = 7", "window_days = 30"));
    story += &site.transcript(&[&["check"], &["apply", "--format", "csv"], &["apply", "--format", "json"]]);
    let without_sections = DEFINITIONS.split("[metrics.sections]").next().unwrap();
    site.write_config(without_sections);
    story += &site.transcript(&[&["apply"], &["apply"]]);
    site.write_config(DEFINITIONS);
    story += &site.transcript(&[
        &["apply"],
        &["collect", "--time-zone", "Europe/Berlin"],
        &["check", "--time-zone", "Europe/Berlin"],
        &["apply", "--time-zone", "Europe/Berlin", "--dry-run"],
    ]);
    filtered(|| assert_snapshot!(named(&site, "definitions"), story));
}

async fn a_recorded_day_is_not_recorded_again(site: Site) {
    let site = site.ready().await;
    let story = site.transcript(&[
        &["collect", "--date", "2025-01-05"],
        &["collect", "--date", "2025-01-05"],
        &["collect", "--date", "2025-01-06", "--metric", "sections", "--format", "json"],
        &["collect", "--date", "2025-01-06", "--format", "csv"],
        &["backfill", "--to", "2025-01-12", "--dry-run"],
        &["gaps", "--to", "2025-01-12"],
        &["backfill", "--to", "2025-01-12"],
        &["backfill", "--to", "2025-01-12"],
        &["backfill", "--to", "2025-01-12", "--format", "csv"],
        &["gaps", "--to", "2025-01-12"],
        &["gaps", "--to", "2025-01-14", "--format", "csv"],
        &["gaps", "--to", "2025-01-14", "--format", "json"],
        &["drift", "--to", "2025-01-12"],
        &["status"],
    ]);
    filtered(|| assert_snapshot!(named(&site, "days"), story));
    let status = site.json(&["status"]);
    assert_eq!(status["by_provenance"]["reconstructed"], 72);
    assert_eq!(status["recorded"]["last"], "2025-01-12");
    assert_eq!(status["last_run"]["status"], "completed");
}

/// A scheduled run names no date, and its records are observations.
async fn collect_without_a_date_observes_the_last_finished_day(site: Site) {
    let site = site.ready().await;
    // With 48 hours the day is still observed at every time of the day at which this test may run.
    let first = site.json(&["collect", "--collect-observed-within-hours", "48"]);
    assert_eq!(first["provenance"], "observed");
    assert_eq!(first["metrics_collected"], 6);
    let values = first["recorded"].as_array().unwrap().iter();
    let values: Vec<_> =
        values.map(|metric| format!("{}={}", metric["metric_category"], metric["value"])).collect();
    assert!(values.contains(&r#""members_total"=10"#.to_owned()), "{values:?}");
    let again = site.run(&["collect"]).expect_code(0);
    assert!(again.stdout.ends_with(": already recorded, 6 records.\n"), "{}", again.stdout);
    let plan = site.run(&["plan"]).expect_code(0);
    for table in ["members", "articles", "replies"] {
        assert!(plan.stdout.contains(table), "{}", plan.stdout);
    }
}

crate::on_both!(
    init_recognises_the_platform,
    apply_brings_the_definitions_of_the_store_in_line,
    a_recorded_day_is_not_recorded_again,
    collect_without_a_date_observes_the_last_finished_day,
);
