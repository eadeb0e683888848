//! What `/` shows where scripts are switched off: the latest values and the last 30 days, to those who may read them.

use serde_json::json;

use crate::{built::build, site::Site, world::january};

#[tokio::test(flavor = "multi_thread")]
async fn the_record_is_shown_to_those_who_may_read_it() {
    build();
    let site = Site::sqlite().await;
    for day in 8..=10 {
        let date = january(day).to_string();
        assert_eq!(
            site.post("/rest/v1/rpc/collect_daily_metrics", &json!({ "target_date": date })).await.status,
            200
        );
    }
    let page = async |key: &str| {
        let headers = [("accept", "text/html"), ("apikey", key)];
        let headers = if key.is_empty() { &headers[..1] } else { &headers[..] };
        let page = site.send("GET", "/", headers, None).await.text();
        page.split("<noscript>").nth(1).unwrap().split("</noscript>").next().unwrap().to_owned()
    };
    let shown = page(&site.reader).await;
    let latest = site.get("/api/v1/latest").await.json();
    for metric in latest["metrics"].as_array().unwrap() {
        let name = metric["display_name"].as_str().unwrap();
        assert!(shown.contains(&format!("<th scope=\"row\">{name}<td>")), "{name}: {shown}");
    }
    for row in ["<th scope=\"row\">2025-01-10", "<th scope=\"row\">2024-12-12"] {
        assert!(shown.contains(row), "{row}: {shown}");
    }
    assert!(!shown.contains("2024-12-11"), "more than 30 days: {shown}");
    let correction = json!({"metric_category": "posts_created", "date": "2025-01-10", "value": 1234});
    let body = json!({"reason": "wrong", "corrections": [correction]});
    assert_eq!(site.post("/api/v1/corrections", &body).await.status, 201);
    let corrected = page(&site.reader).await.replace(',', "");
    assert_eq!(corrected.matches("1234").count(), 2, "the latest value and that of the day: {corrected}");
    let refused = page("").await;
    assert!(refused.contains("needs an API key") && !refused.contains("<table>"), "{refused}");
    let wrong = page("dm_wrong").await;
    assert!(!wrong.contains("<table>"), "{wrong}");
}
