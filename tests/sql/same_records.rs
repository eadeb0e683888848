//! The functions record the rows that the service records.

use daymark::clock::{Clock, SystemClock};
use jiff::tz::TimeZone;
use serde_json::json;

use crate::{
    platform::{Database, METRICS},
    preset_shapes,
    shape::Shape,
};

/// How many metrics the platform has.
const METRICS_OF_ALL: i64 = 54;

/// The rows that only one of the two tenants has, and the number of rows of the tenant of the functions.
const DIFFERENCES: &str = "
    SELECT (SELECT count(*) FROM daymark.daily_metrics WHERE tenant_id = 'functions') AS rows, (
        SELECT json_agg(difference) FROM (
            (SELECT 'service' AS tenant, metric_date, metric_type, metric_category, value::text, metadata::text, provenance,
                    definition_version FROM daymark.daily_metrics WHERE tenant_id = 'default'
             EXCEPT
             SELECT 'service', metric_date, metric_type, metric_category, value::text, metadata::text, provenance,
                    definition_version FROM daymark.daily_metrics WHERE tenant_id = 'functions')
            UNION ALL
            (SELECT 'functions', metric_date, metric_type, metric_category, value::text, metadata::text, provenance,
                    definition_version FROM daymark.daily_metrics WHERE tenant_id = 'functions'
             EXCEPT
             SELECT 'functions', metric_date, metric_type, metric_category, value::text, metadata::text, provenance,
                    definition_version FROM daymark.daily_metrics WHERE tenant_id = 'default')
            LIMIT 10
        ) AS difference
    ) AS differences";

/// Records a year by the service and by the functions. Returns the number of metrics.
async fn records_are_the_same(database: &Database) -> i64 {
    let installed = database.run("functions", &["sql", "install"]).done();
    let metrics = database.query("SELECT count(*) AS metrics FROM daymark.sql_metrics()").await;
    let metrics = metrics[0]["metrics"].as_i64().unwrap();
    assert!(installed.contains(&format!("for {metrics} of {metrics} metrics")), "{installed}");
    database.run("default", &["collect"]).done();
    let collected = database.query("SELECT * FROM daymark.collect_daily_metrics()").await;
    assert_eq!(
        (&collected[0]["metrics_collected"], &collected[0]["status"]),
        (&json!(metrics), &json!("completed"))
    );
    let range = "SELECT max(metric_date) - 364 AS first, max(metric_date) AS last FROM daymark.daily_metrics";
    let range = database.query(range).await;
    let (first, last) = (range[0]["first"].as_str().unwrap(), range[0]["last"].as_str().unwrap());
    database.run("default", &["backfill", "--from", first, "--to", last]).done();
    let backfilled =
        database.query(&format!("SELECT * FROM daymark.backfill_daily_metrics('{first}', '{last}')")).await;
    assert_eq!(backfilled[0]["dates_processed"], 365);
    assert_eq!(backfilled[0]["total_metrics"], 364 * metrics);
    let compared = database.query(DIFFERENCES).await;
    assert_eq!((&compared[0]["rows"], &compared[0]["differences"]), (&json!(365 * metrics), &json!(null)));
    metrics
}

/// Without settling, yesterday can be recorded at any time of the day.
async fn every_metric_is_the_same_in(zone: &str) {
    let settings = format!("time_zone = \"{zone}\"\nsettle_minutes = 0\nquery.week_start = \"sunday\"\n");
    let database = Database::new(&settings, METRICS).await;
    assert_eq!(records_are_the_same(&database).await, METRICS_OF_ALL);
}

#[tokio::test]
async fn a_year_of_every_metric_is_the_same_in_utc() {
    every_metric_is_the_same_in("UTC").await;
}

/// Clocks skip midnight there in spring.
#[tokio::test]
async fn a_year_of_every_metric_is_the_same_where_days_begin_at_one() {
    every_metric_is_the_same_in("Africa/Cairo").await;
}

/// The platforms have rows of some days more than a year, so that every day of the year is after the first row.
async fn a_preset_is_the_same(preset: &str, tables: &'static [&'static str], least_metrics: i64) {
    let today = SystemClock.now().to_zoned(TimeZone::UTC).date();
    let tables = Shape { tables, totals: &[], flags: &[] }.sql_of_days(true, today.into(), 400);
    let config = format!("preset = \"{preset}\"\nsettle_minutes = 0\n");
    let database = Database::with_tables(crate::support::fresh_database().await, &tables, &config).await;
    let metrics = records_are_the_same(&database).await;
    assert!(metrics >= least_metrics, "the preset recognised the tables: {metrics} metrics");
}

#[tokio::test]
async fn a_year_of_a_shop_in_cents_is_the_same() {
    a_preset_is_the_same("shop", preset_shapes::SHOP_IN_CENTS, 12).await;
}

#[tokio::test]
async fn a_year_of_a_shop_with_payments_is_the_same() {
    a_preset_is_the_same("shop", preset_shapes::SHOP_WITH_PAYMENTS, 6).await;
}

#[tokio::test]
async fn a_year_of_software_with_plans_is_the_same() {
    a_preset_is_the_same("saas", preset_shapes::SAAS_WITH_PLANS, 11).await;
}

#[tokio::test]
async fn a_year_of_software_with_seats_is_the_same() {
    a_preset_is_the_same("saas", preset_shapes::SAAS_WITH_SEATS, 6).await;
}

/// A backfill by a function is one transaction, which may read the platform for hours: its records are not made at its start.
#[tokio::test]
async fn the_records_of_a_day_are_made_when_it_is_read() {
    let database = Database::new("settle_minutes = 0\n", METRICS).await;
    database.run("functions", &["sql", "install"]).done();
    let today =
        database.query("SELECT (current_date - 5)::text AS first, (current_date - 2)::text AS last").await;
    let (first, last) = (today[0]["first"].as_str().unwrap(), today[0]["last"].as_str().unwrap());
    database.query(&format!("SELECT * FROM daymark.backfill_daily_metrics('{first}', '{last}')")).await;
    let made = database
        .query(
            "SELECT count(DISTINCT metric_date) AS days, count(DISTINCT made.created_at) AS instants,
                    count(*) FILTER (WHERE made.created_at < started_at) AS before_the_run
             FROM daymark.daily_metrics AS made JOIN daymark.metric_collection_log AS log ON log.id = collection_id",
        )
        .await;
    assert_eq!(made[0], json!({"days": 4, "instants": 4, "before_the_run": 0}));
}

/// A label that was redacted is read again by the functions, and recorded as its placeholder.
#[tokio::test]
async fn a_redacted_label_does_not_come_back() {
    let database = Database::new("settle_minutes = 0\n", METRICS).await;
    database.run("functions", &["sql", "install", "--api-schema", "public"]).done();
    database.query("SELECT * FROM daymark.collect_daily_metrics()").await;
    let made_at = database.query("SELECT max(created_at) AS at FROM daymark.daily_metrics").await;
    let made_at = made_at[0]["at"].as_str().unwrap();
    let readers = [
        "public.daily_metrics".to_owned(),
        "public.daily_metrics_as_of(clock_timestamp())".to_owned(),
        format!("public.daily_metrics_as_of('{made_at}')"),
    ];
    // The rows of each reader that have the label, and all of them.
    let read = async |label: &str| {
        let mut rows = Vec::new();
        for reader in &readers {
            let count = format!(
                "SELECT count(*) FILTER (WHERE to_jsonb(seen)::text LIKE '%\"{label}\":%') AS named, count(*) AS rows FROM {reader} AS seen"
            );
            let counted = database.query(&count).await;
            rows.push((counted[0]["named"].as_i64().unwrap(), counted[0]["rows"].as_i64().unwrap()));
        }
        rows
    };
    let shown = read("rock").await;
    assert!(shown.iter().all(|(named, rows)| *named > 0 && rows > named), "{shown:?}");
    let with = async |label: &str| {
        let named = format!("%\"{label}\":%");
        let count = "SELECT count(*) AS days FROM daymark.daily_metrics WHERE tenant_id = 'functions' AND metadata::text LIKE";
        database.query(&format!("{count} '{named}'")).await[0]["days"].as_i64().unwrap()
    };
    assert!(with("rock").await > 0, "the platform has the label every day");
    let redact = ["redact", "--label", "rock", "--reason", "erasure request 17", "--yes", "--format", "json"];
    let made: serde_json::Value = serde_json::from_str(&database.run("functions", &redact).done()).unwrap();
    let placeholder = made["placeholder"].as_str().unwrap();
    let (before, of_day) = (with("rock").await, with(placeholder).await);
    assert!(before == 0 && of_day > 0, "{made}");
    assert!(read("rock").await.iter().all(|(named, _)| *named == 0), "{:?}", read("rock").await);
    assert_eq!(
        read(placeholder).await,
        shown,
        "the view and the function show the placeholder, also for earlier instants"
    );
    let days = database
        .query(
            "SELECT max(metric_date) - 3 AS first, max(metric_date) - 1 AS last FROM daymark.daily_metrics",
        )
        .await;
    let (first, last) = (days[0]["first"].as_str().unwrap(), days[0]["last"].as_str().unwrap());
    database.query(&format!("SELECT * FROM daymark.backfill_daily_metrics('{first}', '{last}')")).await;
    assert_eq!(with("rock").await, 0);
    assert!(with(placeholder).await > of_day, "the history of the placeholder continues");
}
