//! Pausing the schedule and silencing alerts over HTTP.

use serde_json::json;

use crate::{on_both_stores, site::Site};

on_both_stores!(the_schedule_is_paused_and_resumed_by_those_who_may, alerts_are_silenced_by_those_who_may,);

const PAUSE: &str = "/api/v1/schedule/pause";
const RESUME: &str = "/api/v1/schedule/resume";
const SILENCES: &str = "/api/v1/alerts/silences";

async fn the_schedule_is_paused_and_resumed_by_those_who_may(site: Site) {
    let until = "2025-01-20T00:00:00Z";
    let paused = site.post(PAUSE, &json!({"reason": "moving the database", "until": until})).await;
    assert_eq!(paused.status, 200, "{}", paused.text());
    let shown = site.get_as_admin("/api/v1/schedule").await.json();
    assert_eq!(shown, paused.json());
    let pause = &shown["pause"];
    assert_eq!((&pause["reason"], &pause["until"]), (&json!("moving the database"), &json!(until)));
    assert!(pause["paused_by"].as_str().unwrap().starts_with("key:"), "{pause}");
    assert_eq!(shown["next_run"], json!(null));
    for (body, member) in [
        (json!({"reason": " "}), "reason"),
        (json!({"reason": "x", "until": "2025-01-01T00:00:00Z"}), "until"),
        (json!({"reason": "x", "till": until}), "till"),
    ] {
        let refused = site.post(PAUSE, &body).await;
        assert_eq!(
            (refused.status, &refused.json()["errors"][0]["parameter"]),
            (400, &json!(member)),
            "{body}"
        );
    }
    let reader = [("apikey", site.reader.as_str()), ("content-type", "application/json")];
    for path in [PAUSE, RESUME] {
        let body = Some(json!({"reason": "x"}).to_string());
        assert_eq!(site.send("POST", path, &reader, body).await.problem(), "forbidden", "{path}");
    }
    for _ in 0..2 {
        let resumed = site.post(RESUME, &json!({})).await;
        assert_eq!((resumed.status, &resumed.json()["pause"]), (200, &json!(null)), "{}", resumed.text());
        assert_ne!(resumed.json()["next_run"], json!(null));
    }
}

async fn alerts_are_silenced_by_those_who_may(site: Site) {
    let silence = json!({"rule": "day_missing", "reason": "moving", "until": "2025-01-20T00:00:00Z"});
    let made = site.post(SILENCES, &silence).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let listed =
        async || site.get_as_admin("/api/v1/alerts").await.json()["silences"].as_array().unwrap().len();
    assert_eq!(listed().await, 1);
    let unknown = json!({"rule": "day_mising", "reason": "moving", "until": "2025-01-20T00:00:00Z"});
    let unknown = site.post(SILENCES, &unknown).await;
    assert_eq!((unknown.status, &unknown.json()["errors"][0]["parameter"]), (400, &json!("rule")));
    let reader = [("apikey", site.reader.as_str()), ("content-type", "application/json")];
    let refused = site.send("POST", SILENCES, &reader, Some(silence.to_string())).await;
    assert_eq!(refused.problem(), "forbidden");
    let place = format!("{SILENCES}/{}", made.json()["id"].as_str().unwrap());
    assert_eq!(site.send("DELETE", &place, &reader, None).await.problem(), "forbidden");
    assert_eq!(site.delete(&place).await.status, 204);
    assert_eq!(site.delete(&place).await.problem(), "not-found");
    assert_eq!(listed().await, 0);
}
