//! Annotations of days over HTTP.

use serde_json::{Value, json};

use crate::{on_both_stores, site::Site};

on_both_stores!(
    days_are_annotated_by_those_who_may_and_shown_to_every_reader,
    wrong_annotations_are_refused_by_member,
);

const PATH: &str = "/api/v1/annotations";

async fn listed(site: &Site, query: &str) -> Vec<String> {
    let reply = site.get(&format!("{PATH}{query}")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let annotations = reply.json()["annotations"].as_array().unwrap().clone();
    annotations.iter().map(|annotation| annotation["text"].as_str().unwrap().to_owned()).collect()
}

async fn days_are_annotated_by_those_who_may_and_shown_to_every_reader(site: Site) {
    let hostile = "<script>alert(1)</script> \u{202e}🎷";
    let made = site.post(PATH, &json!({"from": "2025-01-08", "text": hostile})).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    assert_eq!(
        (&made["from"], &made["to"], &made["text"]),
        (&json!("2025-01-08"), &json!("2025-01-08"), &json!(hostile))
    );
    assert!(made["created_by"].as_str().unwrap().starts_with("key:"), "{made}");
    let about =
        json!({"from": "2025-01-02", "to": "2025-01-04", "metric_category": "posts_total", "text": "outage"});
    assert_eq!(site.post(PATH, &about).await.status, 201);
    assert_eq!(listed(&site, "").await, [hostile, "outage"]);
    assert_eq!(listed(&site, "?from=2025-01-03&to=2025-01-05").await, ["outage"]);

    let place = format!("{PATH}/{}", made["id"].as_str().unwrap());
    let changed = site.put(&place, &json!({"from": "2025-01-09", "text": "release"})).await;
    assert_eq!((changed.status, &changed.json()["from"]), (200, &json!("2025-01-09")), "{}", changed.text());
    assert_eq!(changed.json()["changed_by"], made["created_by"]);
    let reader = [("apikey", site.reader.as_str()), ("content-type", "application/json")];
    for (method, path) in [("POST", PATH), ("PUT", place.as_str()), ("DELETE", place.as_str())] {
        let body = (method != "DELETE").then(|| json!({"from": "2025-01-09", "text": "x"}).to_string());
        assert_eq!(site.send(method, path, &reader, body).await.problem(), "forbidden", "{method}");
    }
    assert_eq!(site.delete(&place).await.status, 204);
    assert_eq!(site.delete(&place).await.problem(), "not-found");
    let gone = site.put(&place, &json!({"from": "2025-01-09", "text": "x"})).await;
    assert_eq!(gone.problem(), "not-found");
    assert_eq!(listed(&site, "").await, ["outage"]);
}

async fn wrong_annotations_are_refused_by_member(site: Site) {
    let from = "2025-01-08";
    for (body, member) in [
        (json!({"text": "x"}), "from"),
        (json!({"from": from}), "text"),
        (json!({"from": from, "text": " "}), "text"),
        (json!({"from": from, "text": "x".repeat(1001)}), "text"),
        (json!({"from": from, "to": "2025-01-07", "text": "x"}), "to"),
        (json!({"from": from, "to": "2026-01-09", "text": "x"}), "to"),
        (json!({"from": "1899-12-31", "to": from, "text": "x"}), "from"),
        (json!({"from": from, "text": "x", "metric_category": "posts_totl"}), "metric_category"),
        (json!({"from": from, "text": "x", "colour": "red"}), "colour"),
    ] {
        let refused = site.post(PATH, &body).await;
        assert_eq!(refused.status, 400, "{body}: {}", refused.text());
        let errors = refused.json()["errors"].as_array().unwrap().clone();
        let members: Vec<&Value> = errors.iter().map(|error| &error["parameter"]).collect();
        assert_eq!(members, [&json!(member)], "{body}: {}", refused.text());
    }
    assert!(site.get(PATH).await.json()["annotations"].as_array().unwrap().is_empty());
}
