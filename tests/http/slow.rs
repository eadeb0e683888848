//! Clients that take their time, or all of the server's.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use futures_util::stream;
use sqlx::{Connection, Executor, PgConnection};

use crate::{
    raw::{RawClient, until},
    site::{Settings, Site},
    support::fresh_database,
    world::World,
};

/// More than anybody's buffers hold.
const LONG_EXPORT: &str = "/api/v1/export?from=1950-01-01&to=2025-01-10";

/// A server with an answer that never ends, and what is held for each of its answers.
async fn endless(stall_timeout: Duration) -> (Site, Arc<()>) {
    let mut settings = Settings::default();
    settings.http.stall_timeout = stall_timeout;
    let site = Site::start(World::sqlite().await, settings).await;
    let held = Arc::new(());
    let answer = {
        let held = Arc::clone(&held);
        async move || {
            let piece = Bytes::from(vec![b'x'; 64 * 1024]);
            let pieces = stream::repeat_with(move || {
                let _held = &held;
                Ok::<_, Infallible>(piece.clone())
            });
            Body::from_stream(pieces)
        }
    };
    let routes = Router::new().route("/endless", get(answer));
    let routes = daymark::http::surrounded(routes, site.service.clone());
    (site.with_routes(routes).await, held)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_is_given_up() {
    let (site, held) = endless(Duration::from_millis(200)).await;
    let before = Arc::strong_count(&held);
    let mut client = RawClient::connect(site.address).await;
    client.get("/endless", &site.reader).await;
    until("the answer has begun", async || Arc::strong_count(&held) > before).await;
    until("the answer is given up", async || Arc::strong_count(&held) == before).await;
    // The connection was reset, or what had arrived is all that comes.
    client.rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_its_time_is_not_cut_off() {
    let stall_timeout = Duration::from_secs(2);
    let (site, _held) = endless(stall_timeout).await;
    let mut client = RawClient::connect(site.address).await;
    client.get("/endless", &site.reader).await;
    let started = std::time::Instant::now();
    while started.elapsed() < stall_timeout * 3 / 2 {
        assert!(!client.some().await.is_empty(), "cut off after {:?}", started.elapsed());
        // So slow is this client.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_exports_flow_and_no_more() {
    let mut settings = Settings::default();
    settings.http.max_concurrent_exports = 1;
    let site = Site::start(World::sqlite().await, settings).await;
    let mut client = RawClient::connect(site.address).await;
    client.get(LONG_EXPORT, &site.reader).await;
    assert!(client.some().await.starts_with(b"HTTP/1.1 200"));
    let refused = site.get("/api/v1/export").await;
    assert_eq!((refused.status, refused.problem().as_str()), (503, "unavailable"));
    assert_eq!(refused.header("retry-after"), "5");
    assert_eq!(site.get("/api/v1/latest").await.status, 200, "others are not held up");
    drop(client);
    until("there is room again", async || site.get("/api/v1/export").await.status == 200).await;
}

/// All values are looked at before a file of Parquet begins. Here that waits for a lock.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_takes_the_time_that_it_takes() {
    let directory = tempfile::tempdir().unwrap();
    let platform_url = format!("sqlite:{}", directory.path().join("platform.db").display());
    let store_url = fresh_database().await;
    let mut settings = Settings::default();
    settings.http.request_timeout = Duration::from_secs(3);
    let site = Site::start(World::at(directory, store_url.clone(), platform_url).await, settings).await;
    let path = "/api/v1/export?format=parquet&from=2025-01-01&to=2025-01-10";
    assert!(site.get(path).await.body.ends_with(b"PAR1"));
    let mut other = PgConnection::connect(&store_url).await.unwrap();
    other.execute("BEGIN; LOCK TABLE daymark.daily_metrics").await.unwrap();
    let mut client = RawClient::connect(site.address).await;
    let key = &site.reader;
    client
        .send(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\napikey: {key}\r\nconnection: close\r\n\r\n"))
        .await;
    let head = client.some().await;
    assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
    other.execute("ROLLBACK").await.unwrap();
    let body = client.rest().await;
    assert!(body.contains("PAR1") && body.ends_with("PAR1\r\n0\r\n\r\n"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let mut settings = Settings::default();
    settings.http.request_timeout = Duration::from_secs(1);
    let site = Site::start(World::sqlite().await, settings).await;
    for (path, status) in [("/api/v1/collections", "503"), ("/rest/v1/rpc/collect_daily_metrics", "408")] {
        let mut client = RawClient::connect(site.address).await;
        let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\napikey: {}\r\n", site.admin);
        client.send(format!("{head}content-type: application/json\r\ncontent-length: 100\r\n\r\n{{")).await;
        let reply = client.rest().await;
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {reply}");
    }
}
