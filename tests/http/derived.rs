//! Derived metrics over HTTP: in every answer about series, and in no table of records.

use daymark::collect::{BackfillRequest, CancellationToken, backfill};
use serde_json::{Value, json};

use crate::{
    site::{Settings, Site},
    world::{Heard, SOURCES, World},
};

#[tokio::test(flavor = "multi_thread")]
async fn derived_metrics_are_served_on_postgres() {
    derived_metrics_are_served_as_series_and_not_as_records(World::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn derived_metrics_are_served_on_sqlite() {
    derived_metrics_are_served_as_series_and_not_as_records(World::sqlite().await).await;
}

const DERIVED: &str = r#"
[derived.share_of_new_posts]
formula = "posts_created / posts_total * 100"
unit = "percentage"
[derived.posts_3_days]
moving = "sum"
of = "posts_created"
window_days = 3
"#;

async fn derived_metrics_are_served_as_series_and_not_as_records(world: World) {
    let settings = Settings { file: format!("{SOURCES}{DERIVED}"), ..Settings::default() };
    let site = Site::start(world, settings).await;
    let request = BackfillRequest::default();
    backfill(&site.world.context, &request, &Heard::default(), &CancellationToken::new()).await.unwrap();
    let range = "from=2025-01-01&to=2025-01-04";
    let both = "category=share_of_new_posts,posts_3_days";
    let answer = site.get(&format!("/api/v1/metrics?{both}&{range}")).await.json();
    let values = |place: usize| -> Vec<String> {
        let points = answer["series"][place]["points"].as_array().unwrap();
        points.iter().map(|point| point["value"].to_string()).collect()
    };
    // World has as many posts on each day of January as its number.
    let named = |place: usize| &answer["series"][place]["metric_category"];
    assert_eq!((named(0), named(1)), (&json!("posts_3_days"), &json!("share_of_new_posts")));
    assert_eq!(values(0), ["null", "null", "6", "9"]);
    assert_eq!(values(1), ["100", "66.666666666667", "50", "40"]);
    let latest = site.get("/api/v1/latest?category=posts_3_days").await.json();
    let latest = &latest["metrics"][0];
    assert_eq!((&latest["value"], &latest["metric_date"]), (&json!(27), &json!("2025-01-10")), "{latest}");
    let csv = site.get(&format!("/api/v1/export?format=csv&category=posts_3_days&{range}")).await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8; header=present");
    let csv = csv.text();
    assert!(csv.contains("2025-01-03") && csv.contains("posts_3_days"), "{csv}");
    let definition = site.get("/api/v1/definitions/share_of_new_posts").await.json();
    assert_eq!(definition["derived_from"], json!(["posts_created", "posts_total"]), "{definition}");
    // The tables show what is recorded.
    for table in ["daily_metrics", "metric_definitions"] {
        let filter = "metric_category=in.(share_of_new_posts,posts_3_days)";
        let rows = site.get(&format!("/rest/v1/{table}?{filter}")).await.json();
        assert_eq!(rows, Value::Array(Vec::new()), "{table}");
    }
}
