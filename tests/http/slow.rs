//! Clients that read slowly or not at all, and requests that take long.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use daymark::access::Role;
use futures_util::{future::join_all, stream};
use sqlx::{Connection, Executor, PgConnection};

use crate::{
    raw::{RawClient, until},
    site::{Settings, Site, new_key, request},
    support::fresh_database,
    world::World,
};

/// An export that is larger than the buffers of both sides.
const LONG_EXPORT: &str = "/api/v1/export?from=1950-01-01&to=2025-01-10";

/// A server with an answer that never ends. Each of its answers holds a reference to the second value.
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
    let routes = daymark::http::with_middleware(routes, site.service.clone());
    (site.with_routes(routes).await, held)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_nothing_is_disconnected_after_the_stall_timeout() {
    let (site, held) = endless(Duration::from_millis(200)).await;
    let before = Arc::strong_count(&held);
    let mut client = RawClient::connect(site.address).await;
    client.get("/endless", &site.reader).await;
    until("the answer has begun", async || Arc::strong_count(&held) > before).await;
    until("the answer is dropped", async || Arc::strong_count(&held) == before).await;
    // The connection was reset, or only the bytes that had arrived can be read.
    client.rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_slowly_is_not_disconnected() {
    let stall_timeout = Duration::from_secs(2);
    let (site, _held) = endless(stall_timeout).await;
    let mut client = RawClient::connect(site.address).await;
    client.get("/endless", &site.reader).await;
    let started = std::time::Instant::now();
    while started.elapsed() < stall_timeout * 3 / 2 {
        assert!(!client.some().await.is_empty(), "cut off after {:?}", started.elapsed());
        // The pause is what makes this client slow.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_exports_are_limited_for_the_server_and_for_each_principal() {
    let mut settings = Settings::default();
    settings.http.max_concurrent_exports = 2;
    let site = Site::start(World::sqlite().await, settings).await;
    let third = new_key(&site.world.context, "third", Role::Reader).await;
    let mut clients = Vec::new();
    for key in [&site.reader, &site.admin] {
        let mut client = RawClient::connect(site.address).await;
        client.get(LONG_EXPORT, key).await;
        assert!(client.some().await.starts_with(b"HTTP/1.1 200"));
        clients.push(client);
    }
    let export = async |key: &str| site.send("GET", "/api/v1/export", &[("apikey", key)], None).await;
    for (key, status, kind) in [(&site.reader, 429, "too-many-exports"), (&third, 503, "unavailable")] {
        let refused = export(key).await;
        assert_eq!((refused.status, refused.problem().as_str()), (status, kind));
        assert_eq!(refused.header("retry-after"), "5");
    }
    assert_eq!(site.get("/api/v1/latest").await.status, 200, "others are not held up");
    drop(clients);
    until("there is room again", async || export(&site.reader).await.status == 200).await;
}

const LOCK: &str = "BEGIN; LOCK TABLE daymark.daily_metrics";
/// The sessions that the server has for requests, at most.
const SESSIONS: usize = 5;
const SHORT_EXPORT: &str = "/api/v1/export?format=parquet&from=2025-01-01&to=2025-01-10";

/// A server that has made an export before, so that definitions and key are cached, and the URL of its store.
async fn exporting(request_timeout: Duration) -> (Site, String) {
    let directory = tempfile::tempdir().unwrap();
    let platform_url = format!("sqlite:{}", directory.path().join("platform.db").display());
    let store_url = fresh_database().await;
    let mut settings = Settings::default();
    settings.http.request_timeout = request_timeout;
    settings.http.max_concurrent_exports = SESSIONS;
    let site = Site::start(World::at(directory, store_url.clone(), platform_url).await, settings).await;
    assert!(site.get(SHORT_EXPORT).await.body.ends_with(b"PAR1"));
    (site, store_url)
}

/// An export to Parquet reads all values before the file begins. Here its second page waits for a lock; the head is sent when
/// half of the request timeout is over.
#[tokio::test(flavor = "multi_thread")]
async fn the_head_of_an_export_is_sent_before_its_second_page_is_read() {
    let (site, store_url) = exporting(Duration::from_secs(12)).await;
    let address = site.address;
    let mut before = PgConnection::connect(&store_url).await.unwrap();
    let mut after = PgConnection::connect(&store_url).await.unwrap();
    let mut watching = PgConnection::connect(&store_url).await.unwrap();
    let mut waiting = async || {
        let waiting = "SELECT count(*) FROM pg_locks
                       WHERE NOT granted AND relation = 'daymark.daily_metrics'::regclass";
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut watching).await.unwrap()
    };
    // As many exports at once as there are sessions make each of these prepare the statement, which takes the lock and
    // releases it. One principal may run half of them.
    let third = new_key(&site.world.context, "third", Role::Reader).await;
    before.execute(LOCK).await.unwrap();
    let exports = [&site.reader, &site.reader, &site.admin, &site.admin, &third]
        .map(|key| [("apikey", key.as_str())])
        .map(|headers| async move { request(address, "GET", SHORT_EXPORT, &headers, None).await.status });
    let (statuses, ()) = tokio::join!(join_all(exports), async {
        until("all sessions wait", async || waiting().await == SESSIONS as i64).await;
        before.execute("ROLLBACK").await.unwrap();
    });
    assert_eq!(statuses, [200; SESSIONS]);
    before.execute(LOCK).await.unwrap();
    let mut client = RawClient::connect(site.address).await;
    let key = &site.reader;
    let head = format!("GET {SHORT_EXPORT} HTTP/1.1\r\nhost: localhost\r\napikey: {key}\r\n");
    client.send(head + "connection: close\r\n\r\n").await;
    until("the first page waits", async || waiting().await == 1).await;
    // Locks are granted in the order in which they are requested.
    let after = tokio::spawn(async move {
        after.execute(LOCK).await.unwrap();
        after
    });
    until("the second lock waits behind the export", async || waiting().await == 2).await;
    before.execute("ROLLBACK").await.unwrap();
    let head = client.some().await;
    assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
    after.await.unwrap().execute("ROLLBACK").await.unwrap();
    let body = client.rest().await;
    assert!(body.contains("PAR1") && body.ends_with("PAR1\r\n0\r\n\r\n"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_without_its_first_page_gets_503_instead_of_200() {
    let (site, store_url) = exporting(Duration::from_secs(2)).await;
    let mut other = PgConnection::connect(&store_url).await.unwrap();
    other.execute(LOCK).await.unwrap();
    let late = site.get(SHORT_EXPORT).await;
    assert_eq!((late.status, late.problem().as_str()), (503, "timed-out"));
}

/// The first page uses the store with the short retries of requests; the later pages use the store of runs, which has no
/// tables here.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_page_of_an_export_uses_the_store_of_requests() {
    let world = World::sqlite().await;
    let nowhere = world.with_empty_store().await;
    let site = Site::start_with(world, nowhere, Settings::default()).await;
    assert_eq!(site.get("/api/v1/export?from=2025-01-01&to=2025-01-10").await.status, 200);
    let mut client = RawClient::connect(site.address).await;
    client.get(LONG_EXPORT, &site.reader).await;
    let cut_off = client.rest().await;
    assert!(cut_off.starts_with("HTTP/1.1 200") && !cut_off.ends_with("0\r\n\r\n"), "a page and no end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_arrive_gets_408() {
    let mut settings = Settings::default();
    settings.http.request_timeout = Duration::from_secs(1);
    let site = Site::start(World::sqlite().await, settings).await;
    let function = "/rest/v1/rpc/collect_daily_metrics";
    for (path, key, length, status) in [
        ("/api/v1/collections", &site.admin, 100, "408"),
        (function, &site.admin, 100, "408"),
        // The scope is checked before the body.
        (function, &site.reader, 100, "403"),
        // A body that is announced as too large is refused before it arrives.
        ("/api/v1/collections", &site.admin, 65_537, "413"),
        (function, &site.admin, 65_537, "413"),
    ] {
        let mut client = RawClient::connect(site.address).await;
        let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\napikey: {key}\r\n");
        client
            .send(format!("{head}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{{"))
            .await;
        let reply = client.rest().await;
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {reply}");
    }
}
