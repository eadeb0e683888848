//! The functions record the rows that the service records.

use serde_json::json;

use crate::platform::{Database, METRICS};

/// How many metrics the platform has.
const METRICS_OF_ALL: i64 = 42;

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

async fn records_are_the_same_in(zone: &str) {
    // Without settling, yesterday can be recorded at any time of the day.
    let settings = format!("time_zone = \"{zone}\"\nsettle_minutes = 0\n");
    let database = Database::new(&settings, METRICS).await;
    let installed = database.run("functions", &["sql", "install"]).done();
    assert!(installed.contains(&format!("for {METRICS_OF_ALL} of {METRICS_OF_ALL} metrics")), "{installed}");
    database.run("default", &["collect"]).done();
    let collected = database.query("SELECT * FROM daymark.collect_daily_metrics()").await;
    assert_eq!(
        (&collected[0]["metrics_collected"], &collected[0]["status"]),
        (&json!(METRICS_OF_ALL), &json!("completed"))
    );
    let range = "SELECT max(metric_date) - 364 AS first, max(metric_date) AS last FROM daymark.daily_metrics";
    let range = database.query(range).await;
    let (first, last) = (range[0]["first"].as_str().unwrap(), range[0]["last"].as_str().unwrap());
    database.run("default", &["backfill", "--from", first, "--to", last]).done();
    let backfilled =
        database.query(&format!("SELECT * FROM daymark.backfill_daily_metrics('{first}', '{last}')")).await;
    assert_eq!(backfilled[0]["dates_processed"], 365);
    assert_eq!(backfilled[0]["total_metrics"], 364 * METRICS_OF_ALL);
    let compared = database.query(DIFFERENCES).await;
    assert_eq!(
        (&compared[0]["rows"], &compared[0]["differences"]),
        (&json!(365 * METRICS_OF_ALL), &json!(null))
    );
}

#[tokio::test]
async fn a_year_of_every_metric_is_the_same_in_utc() {
    records_are_the_same_in("UTC").await;
}

/// Clocks skip midnight there in spring.
#[tokio::test]
async fn a_year_of_every_metric_is_the_same_where_days_begin_at_one() {
    records_are_the_same_in("Africa/Cairo").await;
}
