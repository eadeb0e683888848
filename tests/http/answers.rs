//! The answers of the endpoints over a known record.

use std::io::Read;

use daymark::collect::{BackfillRequest, CancellationToken, backfill, collect_day};
use serde_json::{Value, json};

use crate::{on_both_stores, site::Site, world::Heard};

on_both_stores!(
    an_empty_store_answers_with_null_values_and_gaps,
    series_latest_and_activity_return_the_recorded_values,
    one_request_returns_several_metrics_and_intervals,
    paging_returns_every_series_once,
    runs_are_listed_and_found,
    definitions_are_listed,
    every_query_can_be_exported_in_every_format,
    the_health_counts_the_queries_of_its_own_process,
    tables_are_compressed_with_the_encoding_that_the_client_accepts,
);

async fn recorded(site: &Site) {
    let request = BackfillRequest::default();
    backfill(&site.world.context, &request, &Heard::default(), &CancellationToken::new()).await.unwrap();
}

fn values(series: &Value) -> Vec<String> {
    series["points"].as_array().unwrap().iter().map(|point| point["value"].to_string()).collect()
}

async fn an_empty_store_answers_with_null_values_and_gaps(site: Site) {
    let status = site.get_as_admin("/api/v1/status").await;
    assert_eq!((status.status, &status.json()["state"]), (200, &json!("never_ran")), "{}", status.text());
    assert_eq!(status.json()["recorded"], Value::Null);
    let latest = site.get("/api/v1/latest?category=posts_total").await.json();
    assert_eq!(latest["metrics"][0]["value"], Value::Null);
    let series = site.get("/api/v1/metrics?category=posts_total").await.json();
    assert_eq!(series["series"][0]["points"].as_array().unwrap().len(), 30);
    assert_eq!(series["series"][0]["gaps"][0]["cause"], "defined_later", "{series}");
}

async fn series_latest_and_activity_return_the_recorded_values(site: Site) {
    recorded(&site).await;
    let series =
        site.get("/api/v1/metrics?category=posts_created&from=2025-01-01&to=2025-01-12").await.json();
    let series = &series["series"][0];
    let expected: Vec<_> =
        (1..=10).map(|n| n.to_string()).chain(["null".to_owned(), "null".to_owned()]).collect();
    assert_eq!(values(series), expected);
    assert_eq!(series["gaps"][0]["cause"], "not_yet_due");
    let latest = site.get("/api/v1/latest?category=posts_total").await.json();
    assert_eq!(
        (&latest["metrics"][0]["value"], &latest["metrics"][0]["metric_date"]),
        (&json!(55), &json!("2025-01-10"))
    );
    assert_eq!(latest["metrics"][0]["change_from_day_before"]["absolute"], 10);
    let activity = site.get("/api/v1/activity?days=12&category=posts_created").await.json();
    assert_eq!((&activity["from"], &activity["to"]), (&json!("2024-12-30"), &json!("2025-01-10")));
    assert_eq!(values(&activity["series"][0])[..3], ["null", "null", "1"]);
}

async fn one_request_returns_several_metrics_and_intervals(site: Site) {
    recorded(&site).await;
    let path = "/api/v1/metrics?category=posts_created,posts_total&interval=week,month&from=2025-01-01&to=2025-01-10";
    let answer = site.get(path).await.json();
    let found: Vec<_> = answer["series"]
        .as_array()
        .unwrap()
        .iter()
        .map(|series| {
            (
                series["metric_category"].as_str().unwrap(),
                series["interval"].as_str().unwrap(),
                values(series).join(" "),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("posts_created", "week", "15 40".to_owned()),
            ("posts_created", "month", "55".to_owned()),
            ("posts_total", "week", "15 55".to_owned()),
            ("posts_total", "month", "55".to_owned()),
        ]
    );
    let first = &answer["series"][0]["points"][0];
    assert_eq!(
        (&first["days_recorded"], &first["days_due"], &first["complete"]),
        (&json!(5), &json!(5), &json!(false))
    );
}

async fn paging_returns_every_series_once(site: Site) {
    recorded(&site).await;
    let whole = site.get("/api/v1/metrics?from=2025-01-01&to=2025-01-10").await.json();
    let expected: Vec<_> = whole["series"].as_array().unwrap().clone();
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page =
            site.get(&format!("/api/v1/metrics?from=2025-01-01&to=2025-01-10&limit=1{cursor}")).await.json();
        seen.extend(page["series"].as_array().unwrap().clone());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert!(expected.len() > 1);
    assert_eq!(seen, expected);
}

async fn runs_are_listed_and_found(site: Site) {
    collect_day(&site.world.context, None, &[], &CancellationToken::new()).await.unwrap();
    recorded(&site).await;
    let runs = site.get_as_admin("/api/v1/runs").await.json();
    let kinds: Vec<_> = runs["runs"].as_array().unwrap().iter().map(|run| run["kind"].clone()).collect();
    assert_eq!(kinds.len(), 2);
    let id = runs["runs"][0]["id"].as_str().unwrap();
    assert_eq!(site.get_as_admin(&format!("/api/v1/runs/{id}")).await.json(), runs["runs"][0]);
    let first = site.get_as_admin("/api/v1/runs?limit=1").await.json();
    let next = first["next_cursor"].as_str().unwrap();
    let second = site.get_as_admin(&format!("/api/v1/runs?limit=1&cursor={next}")).await.json();
    assert_eq!((&first["runs"][0], &second["runs"][0]), (&runs["runs"][0], &runs["runs"][1]));
    assert_eq!(second["next_cursor"], Value::Null);
}

async fn definitions_are_listed(site: Site) {
    let definitions = site.get("/api/v1/definitions").await.json();
    let categories: Vec<_> = definitions["definitions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["metric_category"].clone())
        .collect();
    assert!(categories.contains(&json!("posts_total")), "{categories:?}");
}

/// Status, headers and number of rows. `tests/query` reads what the files contain.
async fn every_query_can_be_exported_in_every_format(site: Site) {
    recorded(&site).await;
    let files = [
        (
            "/api/v1/export?from=2025-01-09&to=2025-01-10&category=posts_total",
            "daymark_2025-01-09_2025-01-10",
            2,
        ),
        ("/api/v1/export/activity?days=12&category=posts_total", "daymark_2024-12-30_2025-01-10", 12),
        ("/api/v1/export/latest?type=count&category=posts_total", "daymark_latest_2025-01-10", 1),
        ("/api/v1/export/definitions?", "daymark_definitions", 4),
        ("/api/v1/export/runs?kind=backfill&from=2025-01-10&to=2025-01-10", "daymark_runs", 1),
    ];
    for (path, name, rows) in files {
        for (format, kind) in [
            ("csv", "text/csv; charset=utf-8; header=present"),
            ("json", "application/json"),
            ("ndjson", "application/x-ndjson"),
            ("parquet", "application/vnd.apache.parquet"),
        ] {
            let reply = site.get_as_admin(&format!("{path}&format={format}")).await;
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            assert_eq!(reply.header("content-type"), kind);
            assert_eq!(
                reply.header("content-disposition"),
                format!("attachment; filename=\"{name}.{format}\"")
            );
            let found = match format {
                "csv" => reply.text().lines().count() - 1,
                "json" => reply.json().as_array().unwrap().len(),
                "ndjson" => reply.text().lines().count(),
                _ => usize::from(reply.body.starts_with(b"PAR1") && reply.body.ends_with(b"PAR1")) * rows,
            };
            assert_eq!(found, rows, "{path} as {format}");
        }
        let wrong = site.get_as_admin(&format!("{path}&format=cvs")).await;
        assert!(wrong.status == 400 && wrong.text().contains("did you mean `csv`"), "{}", wrong.text());
        let reader = site.get(&format!("{path}&format=csv")).await.status;
        assert_eq!(reader, if path.contains("runs") { 403 } else { 200 }, "{path}");
    }
    let late = site.get("/api/v1/export/latest?category=post_total").await;
    assert!(late.status == 400 && late.text().contains("did you mean `posts_total`"), "{}", late.text());
}

async fn tables_are_compressed_with_the_encoding_that_the_client_accepts(site: Site) {
    let path = "/rest/v1/metric_definitions";
    let plain = site.get_with(path, &[("accept-encoding", "identity")]).await;
    assert_eq!(plain.header("content-encoding"), "");
    for encoding in ["gzip", "br"] {
        let packed = site.get_with(path, &[("accept-encoding", encoding)]).await;
        assert_eq!(packed.header("content-encoding"), encoding);
        assert!(packed.header("vary").contains("accept-encoding"), "{packed:?}");
        assert!(packed.body.len() < plain.body.len() / 2);
        let mut unpacked = Vec::new();
        match encoding {
            "gzip" => flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked),
            _ => brotli::Decompressor::new(&packed.body[..], 4096).read_to_end(&mut unpacked),
        }
        .unwrap();
        assert_eq!(unpacked, plain.body);
        assert_eq!(packed.header("content-range"), plain.header("content-range"));
    }
    recorded(&site).await;
    let counted = [("accept-encoding", "gzip"), ("prefer", "count=exact")];
    let part = site.get_with("/rest/v1/daily_metrics?limit=30", &counted).await;
    assert!(part.body.len() > 1024, "without a range it would be compressed");
    assert_eq!((part.status, part.header("content-encoding")), (206, ""));
    let short = site.get_with("/rest/v1/daily_metrics?limit=1", &counted[..1]).await;
    assert_eq!((short.status, short.header("content-encoding")), (200, ""));
}

async fn the_health_counts_the_queries_of_its_own_process(site: Site) {
    let path = "/api/v1/health/collection";
    assert_eq!(site.get(path).await.problem(), "forbidden", "a reader sees no log");
    let before = site.get_as_admin(path).await;
    assert_eq!((before.status, before.header("cache-control")), (200, "no-store"), "{}", before.text());
    assert_eq!(before.json()["queries"], Value::Null);
    assert_eq!(before.json()["unknown"][0]["field"], "queries");
    recorded(&site).await;
    for path in ["/api/v1/latest", "/rest/v1/daily_metrics", "/api/v1/metrics?from=wrong", "/nowhere"] {
        site.get(path).await;
    }
    let health = site.get_as_admin(path).await.json();
    assert_eq!(
        (&health["queries"]["answered"], &health["queries"]["failed"]),
        (&json!(2), &json!(0)),
        "{health}"
    );
    assert!(health["queries"]["average_seconds"].as_f64().unwrap() > 0.0, "{health}");
    assert_eq!((&health["unknown"], &health["gaps"]["missing_records"]), (&json!([]), &json!(0)), "{health}");
    assert_eq!(site.get_as_admin(&format!("{path}?days=3")).await.problem(), "invalid-parameter");
}
