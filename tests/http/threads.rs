//! Which threads do what.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use daymark::http::{openapi_json, router};
use serde_json::{Value, json};
use tokio::runtime::Builder;
use tower::ServiceExt;

use crate::site::{Settings, Site, service};

/// A thread that speaks HTTP has timers here and nothing else, and no session of the store is open yet: whoever opens one on
/// that thread panics. What such a thread opened would be waited for by it alone, and would be gone with it.
#[tokio::test(flavor = "multi_thread")]
async fn those_that_speak_http_open_no_session() {
    let site = Site::postgres().await;
    let document: Value = serde_json::from_str(&openapi_json().unwrap()).unwrap();
    let operations = document["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().keys().filter(|key| *key != "parameters");
        methods.map(move |method| (method.to_uppercase(), path.clone()))
    });
    let others = ["/readyz", "/livez", "/metrics", "/openapi.json", "/docs/"];
    let others = others.map(|path| ("GET".to_owned(), path.to_owned()));
    for (method, path) in operations.chain(others) {
        let (context, patient) = (site.world.another_process(), site.world.another_process());
        let config = site.world.config(&Settings::default().file);
        let service = Arc::new(service(context, patient, config, Settings::default()));
        let target = target(&path);
        let request = Request::builder()
            .method(method.as_str())
            .uri(&target)
            .header("host", "localhost")
            .header("apikey", &site.admin)
            .header("content-type", "application/json")
            .body(Body::from(body(&method, &path)))
            .unwrap();
        let status = answered(router(service), request).await;
        assert!(!status.is_server_error(), "{method} {target}: {status}");
    }
}

async fn answered(router: Router, request: Request<Body>) -> StatusCode {
    let answering = async move {
        let response = router.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        to_bytes(body, usize::MAX).await.unwrap();
        parts.status
    };
    let thread = move || Builder::new_current_thread().enable_time().build().unwrap().block_on(answering);
    tokio::task::spawn_blocking(thread).await.unwrap()
}

fn target(path: &str) -> String {
    let path =
        path.replace("{id}", "00000000-0000-4000-8000-000000000000").replace("{category}", "posts_of_jazz");
    match path.as_str() {
        "/api/v1/metrics" => format!("{path}?from=2025-01-01&to=2025-01-10"),
        // More pages than the one that is read before the answer's head.
        "/api/v1/export" => format!("{path}?from=2000-01-01&to=2025-01-10"),
        "/api/v1/activity" | "/api/v1/export/activity" => format!("{path}?days=3"),
        _ => path,
    }
}

fn body(method: &str, path: &str) -> String {
    match (method, path) {
        ("PUT", _) => json!({"source": "posts", "measure": "created", "unit": "posts"}).to_string(),
        ("POST", "/api/v1/collections") => json!({"date": "2025-01-10"}).to_string(),
        ("POST", "/api/v1/backfills") => json!({"from": "2025-01-01", "to": "2025-01-10"}).to_string(),
        ("POST", _) => "{}".to_owned(),
        _ => String::new(),
    }
}
