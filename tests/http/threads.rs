//! Which threads do what.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode},
    routing::get,
};
use bytes::Bytes;
use daymark::{
    http::{openapi_json, router, with_middleware},
    identity::Secret,
};
use futures_util::stream;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokio::runtime::Builder;
use tower::ServiceExt;

use crate::{
    raw::{RawClient, until},
    site::{Settings, Site, service},
    world::World,
};

const JWT_SECRET: &str = "a secret of more than thirty-two bytes";

/// A thread that speaks HTTP has timers here and nothing else, and no session of the store is open yet, as a token is looked at
/// without it: whoever opens one on that thread panics. What such a thread opened would be gone with it.
#[tokio::test(flavor = "multi_thread")]
async fn those_that_speak_http_open_no_session() {
    let site = Site::postgres().await;
    let claims =
        json!({"sub": "admin", "role": "service_role", "aud": "authenticated", "exp": 4_000_000_000_i64});
    let token =
        encode(&Header::default(), &claims, &EncodingKey::from_secret(JWT_SECRET.as_bytes())).unwrap();
    let by_token = ("authorization", format!("Bearer {token}"));
    let by_key = ("apikey", site.admin.clone());
    let document: Value = serde_json::from_str(&openapi_json().unwrap()).unwrap();
    let operations = document["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().keys().filter(|key| *key != "parameters");
        methods.map(move |method| (method.to_uppercase(), path.clone()))
    });
    let others = ["/readyz", "/livez", "/metrics", "/openapi.json", "/docs/"];
    let others = others.map(|path| ("GET".to_owned(), path.to_owned()));
    let by_token = operations.chain(others).map(|(method, path)| (method, path, by_token.clone()));
    // Looking at a key asks the store, too.
    let by_key = [("GET".to_owned(), "/api/v1/latest".to_owned(), by_key)];
    for (method, path, (header, credentials)) in by_token.chain(by_key) {
        let (context, patient) = (site.world.another_process(), site.world.another_process());
        let config = site.world.config(&Settings::default().file);
        let mut settings = Settings::default();
        settings.access.jwt_secret = Some(Secret::new(JWT_SECRET));
        let service = Arc::new(service(context, patient, config, settings));
        let target = target(&path);
        let body = body(&method, &path);
        let request = Request::builder()
            .method(method.as_str())
            .uri(&target)
            .header("host", "localhost")
            .header(header, credentials)
            .header("content-type", "application/json")
            .header("content-length", body.len())
            .body(Body::from(body))
            .unwrap();
        let (status, body) = answered(router(service), request).await;
        assert_eq!(status.as_u16(), expected(&method, &path), "{method} {target}: {body}");
    }
}

async fn answered(router: Router, request: Request<Body>) -> (StatusCode, String) {
    let answering = async move {
        let response = router.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        (parts.status, String::from_utf8_lossy(&body).into_owned())
    };
    let thread = move || Builder::new_current_thread().enable_time().build().unwrap().block_on(answering);
    tokio::task::spawn_blocking(thread).await.unwrap()
}

fn expected(method: &str, path: &str) -> u16 {
    match (method, path) {
        ("GET", "/api/v1/runs/{id}" | "/api/v1/jobs/{id}" | "/api/v1/definitions/{category}") => 404,
        ("PUT", _) => 201,
        ("DELETE", _) => 204,
        ("POST", "/api/v1/collections" | "/api/v1/backfills") => 202,
        _ => 200,
    }
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
        ("POST", "/rest/v1/rpc/backfill_daily_metrics") => {
            json!({"start_date": "2025-01-01", "end_date": "2025-01-10"}).to_string()
        }
        ("POST", _) => "{}".to_owned(),
        _ => String::new(),
    }
}

/// The client is gone and nobody waits for the answer, but what makes it goes on: it cannot be stopped just then.
#[tokio::test(flavor = "multi_thread")]
async fn a_place_is_taken_until_the_work_has_ended() {
    let mut settings = Settings::default();
    settings.http.max_concurrent_requests = 1;
    let site = Site::start(World::sqlite().await, settings).await;
    let (go_on, wait) = mpsc::channel::<()>();
    let wait = Arc::new(std::sync::Mutex::new(wait));
    let begun = Arc::new(AtomicUsize::new(0));
    let working = {
        let begun = Arc::clone(&begun);
        async move || {
            begun.fetch_add(1, Ordering::Relaxed);
            tokio::task::block_in_place(|| wait.lock().unwrap().recv().unwrap());
        }
    };
    let routes = Router::new().route("/working", get(working)).route("/other", get(async || "done"));
    let service = site.service.clone();
    let site = site.with_routes(with_middleware(Router::new(), routes, service.clone())).await;
    let mut client = RawClient::connect(site.address).await;
    client.get("/working", &site.reader).await;
    until("it has begun", async || begun.load(Ordering::Relaxed) == 1).await;
    drop(client);
    let in_flight = "daymark_http_requests_in_flight 0";
    until("the client's leaving is noticed", async || service.telemetry.render().contains(in_flight)).await;
    assert_eq!(site.get("/other").await.status, 503);
    go_on.send(()).unwrap();
    until("there is a place again", async || site.get("/other").await.status == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_for_the_head_has_nothing_made_of_the_body() {
    let site = Site::sqlite().await;
    let made = Arc::new(AtomicUsize::new(0));
    let answer = {
        let made = Arc::clone(&made);
        async move || {
            Body::from_stream(stream::repeat_with(move || {
                made.fetch_add(1, Ordering::Relaxed);
                Ok::<_, Infallible>(Bytes::from_static(b"piece"))
            }))
        }
    };
    let routes =
        with_middleware(Router::new(), Router::new().route("/endless", get(answer)), site.service.clone());
    let site = site.with_routes(routes).await;
    assert_eq!(site.send("HEAD", "/endless", &[("apikey", &site.reader)], None).await.status, 200);
    // Everything that it began has ended.
    site.stop();
    site.stopped().await;
    assert_eq!(made.load(Ordering::Relaxed), 0);
}
