//! More clients than there is room for.

use std::{convert::Infallible, sync::Arc};

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use daymark::http::Bound;
use futures_util::{StreamExt, stream};
use tokio::{sync::Semaphore, time::timeout};

use crate::{
    process::Process,
    raw::{DEADLINE, RawClient},
    site::{Settings, Site, request},
    world::World,
};

async fn with_room_for(connections: usize) -> Site {
    let mut settings = Settings::default();
    settings.http.max_connections = connections;
    Site::start(World::sqlite().await, settings).await
}

/// Nobody is let in yet.
#[tokio::test(flavor = "multi_thread")]
async fn many_may_come_at_once() {
    let limit = std::fs::read_to_string("/proc/sys/net/core/somaxconn");
    let limit: usize = limit.map_or(128, |limit| limit.trim().parse().unwrap());
    let bound = Bound::at(([127, 0, 0, 1], 0).into()).await.unwrap();
    let mut clients = Vec::new();
    for number in 0..limit.min(300) {
        let connecting = timeout(DEADLINE, RawClient::connect(bound.address())).await;
        clients.push(connecting.unwrap_or_else(|_| panic!("there is no room for {number}")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_nothing_shuts_nobody_out() {
    let site = with_room_for(4).await;
    let mut silent = Vec::new();
    for number in 0..12 {
        let mut client = RawClient::connect(site.address).await;
        // Half of them begin a request that they never finish.
        if number % 2 == 0 {
            client.send("GET /livez HTTP/1.1\r\n").await;
        }
        silent.push(client);
    }
    let answered = async {
        assert_eq!(site.get("/api/v1/latest").await.status, 200);
        assert_eq!(site.send("GET", "/livez", &[], None).await.status, 200);
    };
    timeout(DEADLINE, answered).await.expect("they wait until silent clients are given up");
    for closed in &mut silent[..8] {
        assert_eq!(closed.some().await, b"");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn room_is_made_by_who_was_silent_for_longest() {
    let site = with_room_for(3).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = RawClient::connect(site.address).await;
        client.get("/api/v1/latest", &site.reader).await;
        assert!(client.some().await.starts_with(b"HTTP/1.1 200"));
        clients.push(client);
    }
    let [first, second, third] = &mut clients[..] else { unreachable!() };
    // The first to come is now the last that was answered.
    first.get("/api/v1/latest", &site.reader).await;
    assert!(first.some().await.starts_with(b"HTTP/1.1 200"));
    assert_eq!(site.get("/api/v1/latest").await.status, 200);
    assert_eq!(second.rest().await, "");
    for client in [first, third] {
        client.get("/api/v1/latest", &site.reader).await;
        assert!(client.some().await.starts_with(b"HTTP/1.1 200"));
    }
}

/// One of them waits for an answer, the other is taking it, and both were there first.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_being_answered_keeps_their_place() {
    let (entered, leave) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let pass = {
        let (entered, leave) = (Arc::clone(&entered), Arc::clone(&leave));
        async move || {
            entered.add_permits(1);
            leave.acquire().await.unwrap().forget();
            Ok::<_, Infallible>(Bytes::from("passed"))
        }
    };
    let waits = pass.clone();
    let flows = async move || {
        let begins = stream::iter([Ok(Bytes::from("begins "))]);
        Body::from_stream(begins.chain(stream::once(async move { pass().await })))
    };
    let site = with_room_for(3).await;
    let routes =
        Router::new().route("/waits", get(async move || waits().await.unwrap())).route("/flows", get(flows));
    let routes = daymark::http::with_middleware(Router::new(), routes, site.service.clone());
    let site = site.with_routes(routes).await;
    let asking = async |path: &str| {
        let mut client = RawClient::connect(site.address).await;
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\napikey: {}\r\n", site.reader);
        client.send(head + "connection: close\r\n\r\n").await;
        entered.acquire().await.unwrap().forget();
        client
    };
    let mut waiting = asking("/waits").await;
    let mut flowing = asking("/flows").await;
    let mut silent = RawClient::connect(site.address).await;
    let mut another = asking("/waits").await;
    assert_eq!(silent.rest().await, "");
    leave.add_permits(3);
    for client in [&mut waiting, &mut flowing, &mut another] {
        let answer = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("passed"), "{answer}");
    }
}

/// A client that reads slowly leaves most of an answer that is made already with the server.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_taking_an_answer_keeps_their_place() {
    const LENGTH: usize = 8 << 20;
    let site = with_room_for(2).await;
    let routes = Router::new().route("/large", get(async || vec![b'x'; LENGTH]));
    let routes = daymark::http::with_middleware(Router::new(), routes, site.service.clone());
    let site = site.with_routes(routes).await;
    let mut taking = RawClient::connect(site.address).await;
    taking.get("/large", &site.reader).await;
    let mut taken = taking.some().await.len();
    let mut silent = RawClient::connect(site.address).await;
    let answered = request(site.address, "GET", "/livez", &[], None);
    assert_eq!(timeout(DEADLINE, answered).await.expect("nobody makes room").status, 404);
    assert_eq!(silent.rest().await, "");
    while taken < LENGTH {
        let some = taking.some().await;
        assert!(!some.is_empty(), "it is cut off after {taken} bytes");
        taken += some.len();
    }
}

/// So many files are fewer than there are clients here.
const FEW_FILES: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_open_files_shuts_nobody_out() {
    let world = World::sqlite().await;
    let server = Process::limited(&format!("-n {FEW_FILES}"), &world.store_url, &world.platform_url);
    assert_eq!(server.logged("but only 100 by the system, which allows 200 files"), 1);
    let mut silent = Vec::new();
    for _ in 0..=FEW_FILES {
        silent.push(RawClient::connect(server.address).await);
    }
    let answered = request(server.address, "GET", "/livez", &[], None);
    assert_eq!(timeout(DEADLINE, answered).await.expect("nobody is let in").status, 200);
    assert_eq!(server.logged("cannot be accepted"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_open_files_is_raised_where_it_may_be() {
    let world = World::sqlite().await;
    let server = Process::limited(&format!("-S -n {FEW_FILES}"), &world.store_url, &world.platform_url);
    let mut clients = Vec::new();
    for _ in 0..=FEW_FILES {
        clients.push(RawClient::connect(server.address).await);
    }
    for client in [0, FEW_FILES] {
        clients[client].send("GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        assert!(clients[client].some().await.starts_with(b"HTTP/1.1 200"));
    }
}
