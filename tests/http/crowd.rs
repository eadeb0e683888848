//! More connections than `http.max_connections`.

use daymark::http::Server;
use tokio::time::timeout;

use crate::{
    process::Process,
    raw::{DEADLINE, RawClient, until},
    site::{Settings, Site, request},
    world::World,
};

async fn with_limit(connections: usize) -> Site {
    let mut settings = Settings::default();
    settings.http.max_connections = connections;
    Site::start(World::sqlite().await, settings).await
}

/// The server is bound and accepts nothing yet, so the connections wait in the system's backlog.
#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_connections_can_wait_to_be_accepted() {
    let limit = std::fs::read_to_string("/proc/sys/net/core/somaxconn");
    let limit: usize = limit.map_or(128, |limit| limit.trim().parse().unwrap());
    let server = Server::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let mut clients = Vec::new();
    for number in 0..limit.min(300) {
        let connecting = timeout(DEADLINE, RawClient::connect(server.address())).await;
        clients.push(connecting.unwrap_or_else(|_| panic!("there is no room for {number}")));
    }
}

/// Connections that were accepted, had one answer, and are idle.
async fn silent(site: &Site, count: usize) -> Vec<RawClient> {
    let mut clients = Vec::new();
    for _ in 0..count {
        let mut client = RawClient::connect(site.address).await;
        client.get("/api/v1/definitions", &site.reader).await;
        assert!(client.some().await.starts_with(b"HTTP/1.1 200"));
        clients.push(client);
    }
    clients
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_limit_get_503_and_health_is_still_answered() {
    let site = with_limit(3).await;
    let mut clients = silent(&site, 3).await;
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(site.send("GET", path, &[], None).await.status, 200, "{path}");
    }
    let refused = site.get("/api/v1/definitions").await;
    assert_eq!((refused.status, refused.problem().as_str()), (503, "unavailable"));
    assert_eq!((refused.header("retry-after"), refused.header("connection")), ("1", "close"));
    // The open connections are still served.
    for client in &mut clients {
        client.get("/api/v1/definitions", &site.reader).await;
        assert!(client.some().await.starts_with(b"HTTP/1.1 200"));
    }
    drop(clients);
    until("there is room again", async || site.get("/api/v1/definitions").await.status == 200).await;
}

/// Connections beyond the limit are closed after seconds if they send no request for health.
#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_beyond_the_limit_do_not_block_health() {
    let site = with_limit(1).await;
    let _only = silent(&site, 1).await;
    let mut beyond = Vec::new();
    for _ in 0..40 {
        beyond.push(RawClient::connect(site.address).await);
    }
    let is_answered = async || {
        let mut client = RawClient::connect(site.address).await;
        client.get("/livez", &site.reader).await;
        client.rest().await.starts_with("HTTP/1.1 200")
    };
    until("health is answered", is_answered).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_management_address_serves_health_and_counters_only() {
    let world = World::sqlite().await;
    let settings = [("DAYMARK_HTTP_MAX_CONNECTIONS", "1"), ("DAYMARK_HTTP_MANAGEMENT_LISTEN", "127.0.0.1:0")];
    let server = Process::start(&world.store_url, &world.platform_url, &settings);
    let line = server.lines("health and metrics are at http://").pop().unwrap();
    let (_, rest) = line.split_once("http://").unwrap();
    let address = rest.split('"').next().unwrap().parse().unwrap();
    let mut only = RawClient::connect(server.address).await;
    only.get("/livez", "").await;
    assert!(only.some().await.starts_with(b"HTTP/1.1 200"));
    for (path, status) in
        [("/livez", 200), ("/readyz", 200), ("/metrics", 200), ("/api/v1/latest", 404), ("/", 404)]
    {
        assert_eq!(request(address, "GET", path, &[], None).await.status, status, "{path}");
    }
}
