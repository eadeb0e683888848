//! The server while its store is away, while it is overloaded, and when clients disconnect.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, routing::get};
use daymark::{
    access::Role,
    database::RetryPolicy,
    store::{self, StoreOptions},
};
use futures_util::future::{Either, join_all, select};
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};
use tokio::sync::Semaphore;

use crate::{
    process::Process,
    raw::{RawClient, until},
    server::PrivateServer,
    site::{Settings, Site, new_key, request},
    support::fresh_database,
    world::World,
};

#[tokio::test(flavor = "multi_thread")]
async fn readiness_follows_the_store_going_away_and_coming_back() {
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
    // The result of the last query is reused for a second.
    until("it is known that the store is away", async || ready().await.status == 503).await;
    assert_eq!(ready().await.problem(), "unavailable");
    assert_eq!(site.send("GET", "/livez", &[], None).await.status, 200);
    let reply = site.get("/api/v1/metrics").await;
    assert_eq!((reply.status, reply.problem().as_str()), (503, "unavailable"));
    assert!(!reply.text().contains("postgres"), "{}", reply.text());
    let server = tokio::task::spawn_blocking(move || {
        server.start();
        server
    });
    let _server = server.await.unwrap();
    until("it is known that the store is back", async || ready().await.status == 200).await;
    assert_eq!(site.get("/api/v1/metrics").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_beyond_the_limit_get_503_at_once() {
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
async fn requests_that_wait_for_a_run_have_a_limit_of_their_own() {
    let site = Site::sqlite().await;
    let collect = async || site.post("/rest/v1/rpc/collect_daily_metrics", &json!({})).await.status;
    let all = async |permits: &Semaphore| {
        let count = u32::try_from(permits.available_permits()).unwrap();
        permits.acquire_many(count).await.unwrap().forget();
    };
    let (asking, waiting) = (&site.service.permits, &site.service.run_waits);
    let count = asking.available_permits();
    all(asking).await;
    assert_eq!((site.get("/api/v1/latest").await.status, collect().await), (503, 200));
    asking.add_permits(count);
    all(waiting).await;
    assert_eq!((site.get("/api/v1/latest").await.status, collect().await), (200, 503));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_beyond_the_request_timeout_gets_503() {
    let mut settings = Settings::default();
    settings.http.request_timeout = Duration::from_millis(100);
    let site = Site::start(World::sqlite().await, settings).await;
    let routes = Router::new().route("/never", get(std::future::pending::<()>));
    let routes = daymark::http::with_middleware(routes, site.service.clone());
    let late = site.with_routes(routes).await.get("/never").await;
    assert_eq!((late.status, late.problem().as_str()), (503, "timed-out"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_of_the_client_is_kept() {
    let site = Site::sqlite().await;
    let reply = site.get_with("/api/v1/latest", &[("x-request-id", "from-the-proxy-1")]).await;
    assert_eq!(reply.header("x-request-id"), "from-the-proxy-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_counted_by_method_route_and_status() {
    let site = Site::sqlite().await;
    for _ in 0..2 {
        site.get("/api/v1/latest?category=posts_total").await;
    }
    site.get("/api/v1/latest?categry=posts_total").await;
    site.get_as_admin("/api/v1/runs/00000000-0000-0000-0000-000000000000").await;
    let counted = site.send("GET", "/metrics", &[], None).await.text();
    for line in [
        r#"daymark_http_requests_total{method="GET",route="/api/v1/latest",status="200"} 2"#,
        r#"daymark_http_requests_total{method="GET",route="/api/v1/latest",status="400"} 1"#,
        r#"daymark_http_request_duration_seconds_count{route="/api/v1/latest"} 3"#,
        r#"daymark_http_requests_total{method="GET",route="/api/v1/runs/{id}",status="404"} 1"#,
    ] {
        assert!(counted.contains(line), "{counted}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_panics_answers_500_and_the_server_keeps_running() {
    let site = Site::sqlite().await;
    let panics = async || -> () { panic!("a defect, with a secret in it") };
    let routes = axum::Router::new().route("/panics", axum::routing::get(panics));
    let routes = daymark::http::with_middleware(routes, site.service.clone());
    let site = site.with_routes(routes).await;
    let reply = site.get("/panics").await;
    assert_eq!((reply.status, reply.problem().as_str()), (500, "internal"));
    assert!(!reply.text().contains("secret"), "{}", reply.text());
    assert_eq!(site.get("/panics").await.status, 500, "the server keeps running");
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_queries_the_store_at_most_once_a_second() {
    let server = PrivateServer::new();
    let mut session = PgConnection::connect(&server.url()).await.unwrap();
    session.execute("ALTER DATABASE postgres SET log_statement = 'all'").await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let platform_url = format!("sqlite:{}", directory.path().join("platform.db").display());
    let site = Site::start(World::at(directory, server.url(), platform_url).await, Settings::default()).await;
    let started = Instant::now();
    let replies = join_all((0..40).map(|_| site.send("GET", "/readyz", &[], None))).await;
    let seconds = started.elapsed().as_secs();
    assert!(replies.iter().all(|reply| reply.status == 200));
    let log: String =
        sqlx::query_scalar("SELECT pg_read_file('server.log')").fetch_one(&mut session).await.unwrap();
    let asked = log.lines().filter(|line| line.contains("SELECT 1 FROM metric_definitions")).count();
    assert!((1..=1 + seconds).contains(&(asked as u64)), "{asked} times in {seconds} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_statement_of_a_timed_out_request_is_cancelled() {
    let directory = tempfile::tempdir().unwrap();
    let platform_url = format!("sqlite:{}", directory.path().join("platform.db").display());
    let store_url = fresh_database().await;
    let world = World::at(directory, store_url.clone(), platform_url.clone()).await;
    let key = new_key(&world.context, "reader", Role::Reader).await;
    let server = Process::start(&store_url, &platform_url, &[("DAYMARK_HTTP_REQUEST_TIMEOUT_SECONDS", "2")]);
    let latest = async || request(server.address, "GET", "/api/v1/latest", &[("apikey", &key)], None).await;
    until("the server answers", async || latest().await.status == 200).await;
    let mut other = PgConnection::connect(&store_url).await.unwrap();
    other.execute("BEGIN; LOCK TABLE daymark.daily_metrics").await.unwrap();
    let mut watching = PgConnection::connect(&store_url).await.unwrap();
    let mut waiting = async || {
        let waiting = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut watching).await.unwrap()
    };
    // This request is not cached yet.
    let path = "/api/v1/metrics?from=2025-01-01&to=2025-01-10";
    let headers = [("apikey", key.as_str())];
    let (late, ()) = tokio::join!(
        request(server.address, "GET", path, &headers, None),
        until("the statement waits", async || waiting().await > 0),
    );
    assert_eq!((late.status, late.problem().as_str()), (503, "timed-out"));
    let started = Instant::now();
    until("no session waits any more", async || waiting().await == 0).await;
    assert!(started.elapsed() < Duration::from_secs(10), "the lock's own limit is 30 s");
    other.execute("ROLLBACK").await.unwrap();
    until("the server answers again", async || latest().await.status == 200).await;
}

/// Requests do not retry as runs do, and the log throttle writes one line for all of them.
#[tokio::test(flavor = "multi_thread")]
async fn requests_fail_within_five_seconds_when_the_store_refuses_connections() {
    let server = PrivateServer::new();
    let directory = tempfile::tempdir().unwrap();
    let platform_url = format!("sqlite:{}", directory.path().join("platform.db").display());
    let world = World::at(directory, server.url(), platform_url.clone()).await;
    let key = new_key(&world.context, "reader", Role::Reader).await;
    let process = Process::start(&server.url(), &platform_url, &[]);
    let latest = async |category: &str| {
        let path = format!("/api/v1/latest?category={category}");
        request(process.address, "GET", &path, &[("apikey", &key)], None).await
    };
    let patient = store::open(
        &server.url().parse().unwrap(),
        StoreOptions {
            tenant: "default".to_owned(),
            schema: store::DEFAULT_SCHEMA.to_owned(),
            // The first attempt may use a session that the server has closed, and fail at once.
            retry: RetryPolicy { retries: 1, initial_delay: Duration::ZERO },
            statement_timeout: None,
        },
    );
    assert_eq!((latest("posts_total").await.status, patient.definitions().await.unwrap().len()), (200, 4));
    let stopped = tokio::task::spawn_blocking(move || {
        server.stop();
        server
    });
    let _server = stopped.await.unwrap();
    let stopped_at = Instant::now();
    // These requests are not cached, and there are more of them than sessions, so some wait for a session.
    let questions = ["posts_created", "comments_created", "authors"];
    let timed = async |category: String| (latest(&category).await, stopped_at.elapsed());
    let asking = join_all((0..30).map(|number| {
        let (one, all) = (questions[number % 3], if number < 15 { "" } else { ",posts_total" });
        timed(format!("{one}{all}"))
    }));
    let (replies, waited): (Vec<_>, Vec<_>) =
        match select(Box::pin(patient.definitions()), Box::pin(asking)).await {
            Either::Right((replies, _)) => replies.into_iter().unzip(),
            Either::Left(_) => panic!("requests retry as long as runs do"),
        };
    for reply in &replies {
        assert_eq!((reply.status, reply.problem().as_str()), (503, "unavailable"));
    }
    // The limit is three seconds, also for requests that waited for a session before.
    let longest = waited.into_iter().max().unwrap();
    assert!(longest < Duration::from_secs(5), "{longest:?}");
    until("all are logged", async || process.logged("\"status\":503") == replies.len()).await;
    let lines = process.logged("the store cannot be reached");
    assert!((1..=2).contains(&lines), "{lines} lines");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disconnected_client_gives_its_permit_back() {
    let entered = Arc::new(Semaphore::new(0));
    let never = {
        let entered = Arc::clone(&entered);
        async move || {
            entered.add_permits(1);
            std::future::pending::<()>().await;
        }
    };
    let site = Site::sqlite().await;
    let routes = Router::new().route("/never", get(never));
    let routes = daymark::http::with_middleware(routes, site.service.clone());
    let site = site.with_routes(routes).await;
    let in_flight = || {
        let counted = site.service.counters.render();
        let line = counted.lines().find(|line| line.starts_with("daymark_http_requests_in_flight "));
        line.map(|line| line.rsplit(' ').next().unwrap().to_owned())
    };
    let permits = site.service.permits.available_permits();
    let mut client = RawClient::connect(site.address).await;
    client.get("/never", &site.reader).await;
    entered.acquire().await.unwrap().forget();
    assert_eq!((in_flight().as_deref(), site.service.permits.available_permits()), (Some("1"), permits - 1));
    drop(client);
    until("nothing is in flight", async || in_flight().as_deref() == Some("0")).await;
    let is_free = async || site.service.permits.available_permits() == permits;
    until("its permit is free", is_free).await;
}
