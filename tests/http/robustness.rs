//! The server when something is wrong: its store away, too much to do, told to stop.

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use crate::{
    server::PrivateServer,
    site::{Settings, Site},
    world::World,
};

#[tokio::test(flavor = "multi_thread")]
async fn readiness_tells_the_truth_when_the_store_goes_and_comes_back() {
    let server = PrivateServer::new();
    let directory = tempfile::tempdir().unwrap();
    let platform_url = format!("sqlite:{}", directory.path().join("platform.db").display());
    let world = World::at(directory, server.url(), platform_url).await;
    let site = Site::start(world, Settings::default()).await;
    let ready = async || site.send("GET", "/readyz", &[], None).await;
    assert_eq!((ready().await.status, site.get("/api/v1/latest").await.status), (200, 200));
    let server = tokio::task::spawn_blocking(move || {
        server.stop();
        server
    });
    let server = server.await.unwrap();
    let away = ready().await;
    assert_eq!((away.status, away.problem().as_str()), (503, "unavailable"));
    assert_eq!(site.send("GET", "/livez", &[], None).await.status, 200);
    let reply = site.get("/api/v1/metrics").await;
    assert_eq!((reply.status, reply.problem().as_str()), (503, "unavailable"));
    assert!(!reply.text().contains("postgres"), "{}", reply.text());
    let server = tokio::task::spawn_blocking(move || {
        server.start();
        server
    });
    let _server = server.await.unwrap();
    while ready().await.status != 200 {}
    assert_eq!(site.get("/api/v1/metrics").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_is_refused_at_once() {
    let mut settings = Settings::default();
    settings.http.max_concurrent_requests = 1;
    let site = Site::start(World::sqlite().await, settings).await;
    let _held = site.service.permits.acquire().await.unwrap();
    let shed = site.get("/api/v1/latest").await;
    assert_eq!((shed.status, shed.problem().as_str()), (503, "unavailable"));
    assert_eq!(shed.header("retry-after"), "1");
    assert_eq!(site.send("GET", "/livez", &[], None).await.status, 200, "health is not held up");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_long_is_answered_all_the_same() {
    let mut settings = Settings::default();
    settings.http.request_timeout = Duration::ZERO;
    let site = Site::start(World::sqlite().await, settings).await;
    let late = site.get("/api/v1/latest").await;
    assert_eq!((late.status, late.problem().as_str()), (503, "timed-out"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_told_to_stop_finishes_what_it_began() {
    let (entered, leave) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let slow = {
        let (entered, leave) = (Arc::clone(&entered), Arc::clone(&leave));
        async move || {
            entered.add_permits(1);
            leave.acquire().await.unwrap().forget();
            "done"
        }
    };
    let site = Site::sqlite().await;
    let routes = axum::Router::new().route("/slow", axum::routing::get(slow));
    let routes = daymark::http::surrounded(routes, site.service.clone());
    let site = site.with_routes(routes).await;
    let address = site.address;
    let (reply, ()) = tokio::join!(site.get("/slow"), async {
        entered.acquire().await.unwrap().forget();
        site.stop();
        // Nobody is let in any more; who is in is not thrown out.
        while tokio::net::TcpStream::connect(address).await.is_ok() {}
        leave.add_permits(1);
    });
    assert_eq!((reply.status, reply.text().as_str()), (200, "done"));
    site.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_keeps_its_id() {
    let site = Site::sqlite().await;
    let reply = site.get_with("/api/v1/latest", &[("x-request-id", "from-the-proxy-1")]).await;
    assert_eq!(reply.header("x-request-id"), "from-the-proxy-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_counted_by_route() {
    let site = Site::sqlite().await;
    site.get("/api/v1/latest?category=posts_total").await;
    site.get_as_admin("/api/v1/runs/00000000-0000-0000-0000-000000000000").await;
    let counted = site.send("GET", "/metrics", &[], None).await.text();
    for line in [
        r#"daymark_http_requests_total{method="GET",route="/api/v1/latest",status="200"} 1"#,
        r#"daymark_http_requests_total{method="GET",route="/api/v1/runs/{id}",status="404"} 1"#,
    ] {
        assert!(counted.contains(line), "{counted}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_panics_is_a_problem_and_nothing_more() {
    let site = Site::sqlite().await;
    let panics = async || -> () { panic!("a defect, with a secret in it") };
    let routes = axum::Router::new().route("/panics", axum::routing::get(panics));
    let routes = daymark::http::surrounded(routes, site.service.clone());
    let site = site.with_routes(routes).await;
    let reply = site.get("/panics").await;
    assert_eq!((reply.status, reply.problem().as_str()), (500, "internal"));
    assert!(!reply.text().contains("secret"), "{}", reply.text());
    assert_eq!(site.get("/panics").await.status, 500, "the server goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_asked_for_with_get() {
    let site = Site::sqlite().await;
    assert_eq!(site.send("POST", "/livez", &[], None).await.problem(), "method-not-allowed");
}
