//! The answers that a page comes with, which are those of the API, for those who may read them.

use serde_json::{Value, json};

use crate::{built::build, site::Site, world::january};

/// The data block of a page; `None` in a page without.
async fn first_answers(site: &Site, path: &str, key: &str) -> Option<Value> {
    let headers = [("accept", "text/html"), ("apikey", key)];
    let page = site.send("GET", path, if key.is_empty() { &headers[..1] } else { &headers[..] }, None).await;
    let text = page.text();
    let data = text.split("id=\"first-answers\">").nth(1)?.split("</script>").next().unwrap().to_owned();
    assert_eq!(page.header("cache-control"), "no-store", "{path}");
    Some(serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {data}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_comes_with_the_answers_that_its_script_begins_with() {
    build();
    let site = Site::sqlite().await;
    let date = january(10).to_string();
    let collected = site.post("/rest/v1/rpc/collect_daily_metrics", &json!({ "target_date": date })).await;
    assert_eq!(collected.status, 200, "{}", collected.text());
    let hostile = "</script><script>alert(1)</script><!-- \u{2028} & \u{202e}";
    let body = json!({"measure": "created", "source": "posts", "display_name": hostile});
    assert_eq!(site.put("/api/v1/definitions/hostile", &body).await.status, 201);
    for path in ["/", "/explore?metrics=a", "/operations/alerts"] {
        let answers = first_answers(&site, path, &site.reader).await.unwrap();
        for name in ["session", "latest", "definitions", "anomalies"] {
            assert_eq!(answers[name], site.get(&format!("/api/v1/{name}")).await.json(), "{path}: {name}");
        }
        assert!(answers["definitions"].to_string().contains("alert(1)"), "{answers}");
    }
    // The result of the nightly recounts is on the overview, for principals that may see the log.
    let recounts = site.get_as_admin("/api/v1/drift/recorded").await.json();
    let shown = async |path, key| first_answers(&site, path, key).await.unwrap()["recounts"].clone();
    assert_eq!(shown("/", &site.admin).await, recounts);
    assert_eq!(
        [shown("/explore", &site.admin).await, shown("/", &site.reader).await],
        [Value::Null, Value::Null]
    );
    assert_eq!(first_answers(&site, "/", "").await, None);
    assert_eq!(first_answers(&site, "/explore", "dm_wrong").await, None);
    // Another commit has another version.
    let store_version =
        async || first_answers(&site, "/", &site.reader).await.unwrap()["store_version"].clone();
    let before = store_version().await;
    assert!(before.as_str().unwrap().starts_with('m'), "{before}");
    let note = json!({"from": "2025-01-08", "text": "release"});
    assert_eq!(site.post("/api/v1/annotations", &note).await.status, 201);
    assert_ne!(store_version().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_long_is_left_to_the_page() {
    build();
    let site = Site::sqlite().await;
    let body = json!({"measure": "created", "source": "posts", "description": "x".repeat(10_000)});
    for index in 0..4 {
        assert_eq!(site.put(&format!("/api/v1/definitions/long_{index}"), &body).await.status, 201);
    }
    let answers = first_answers(&site, "/", &site.reader).await.unwrap();
    assert_eq!((answers["definitions"].is_null(), answers["latest"].is_null()), (true, false), "{answers}");
}
