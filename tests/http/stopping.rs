//! A server that is stopped or killed.

use std::{sync::Arc, time::Duration};

use daymark::{
    access::Role,
    collect::CancellationToken,
    http::{Server, router},
    store::{NewRun, RunKind, RunStatus},
};
use futures_util::future::{Either, select};
use jiff::civil::date;
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::{
    process::Process,
    raw::{DEADLINE, RawClient, until},
    site::{Settings, Site, new_key, request, service},
    support::fresh_database,
    world::World,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_server_finishes_open_requests() {
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
    let routes = daymark::http::with_middleware(routes, site.service.clone());
    let site = site.with_routes(routes).await;
    let address = site.address;
    let (reply, ()) = tokio::join!(site.get("/slow"), async {
        entered.acquire().await.unwrap().forget();
        site.stop();
        // No further connection is accepted; the open ones are served to their end.
        while tokio::net::TcpStream::connect(address).await.is_ok() {}
        leave.add_permits(1);
    });
    assert_eq!((reply.status, reply.text().as_str()), (200, "done"));
    site.stopped().await;
}

/// The clients have connected and sent a request when the server begins to stop, before it accepts their connections.
#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_server_answers_connections_that_were_not_accepted_yet() {
    let world = World::sqlite().await;
    let key = new_key(&world.context, "reader", Role::Reader).await;
    let (context, config) = (world.context.clone(), world.config(""));
    let service = Arc::new(service(context.clone(), context, config, Settings::default()));
    let bound = Server::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = RawClient::connect(bound.address()).await;
        client.get("/api/v1/latest", &key).await;
        clients.push(client);
    }
    // A connection without a request does not delay the stop.
    let mut silent = RawClient::connect(bound.address()).await;
    let stop = CancellationToken::new();
    stop.cancel();
    bound.serve(router(Arc::clone(&service)), service, stop).await;
    for client in &mut clients {
        let answer = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
    assert_eq!(silent.rest().await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_server_writes_when_keys_were_used() {
    let site = Site::sqlite().await;
    assert_eq!(site.get("/api/v1/definitions").await.status, 200);
    let (store, now) =
        (Arc::clone(&site.world.context.tenant.store), site.world.context.installation.clock.now());
    let used = async || {
        let used = store.api_keys().await.unwrap().into_iter().filter(|key| key.last_used_at.is_some());
        used.map(|key| (key.name, key.last_used_at)).collect::<Vec<_>>()
    };
    assert_eq!(used().await, []);
    site.stop();
    let _world = site.stopped().await;
    assert_eq!(used().await, [("reader".to_owned(), Some(now))]);
}

/// The table of keys is locked. With the lock timeout of the store's sessions, 30 s, the server would stop too late.
#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_server_waits_less_than_ten_seconds_to_write_when_keys_were_used() {
    let store_url = fresh_database().await;
    let directory = tempfile::tempdir().unwrap();
    let platform_url = format!("sqlite:{}", directory.path().join("platform.db").display());
    let world = World::at(directory, store_url.clone(), platform_url).await;
    let site = Site::start(world, Settings::default()).await;
    assert_eq!(site.get("/api/v1/definitions").await.status, 200);
    let mut holder = PgConnection::connect(&store_url).await.unwrap();
    holder.execute("BEGIN; LOCK TABLE daymark.api_keys").await.unwrap();
    let mut waiting = PgConnection::connect(&store_url).await.unwrap();
    // The limit is a third of the lock timeout of the store's sessions.
    waiting.execute("SET lock_timeout TO '10s'").await.unwrap();
    site.stop();
    let waiting = Box::pin(waiting.execute("SELECT FROM daymark.api_keys"));
    match select(waiting, Box::pin(site.stopped())).await {
        Either::Right(_) => {}
        Either::Left((outcome, _)) => panic!("the server waits for the lock: {outcome:?}"),
    }
}

/// The table of keys is locked. The write of the times of use times out, and the next upkeep tries it again.
#[tokio::test(flavor = "multi_thread")]
async fn upkeep_times_out_and_retries_while_the_store_does_not_answer() {
    let store_url = fresh_database().await;
    let directory = tempfile::tempdir().unwrap();
    let platform_url = format!("sqlite:{}", directory.path().join("platform.db").display());
    let world = World::at(directory, store_url.clone(), platform_url).await;
    let key = new_key(&world.context, "reader", Role::Reader).await;
    let (context, config) = (world.context.clone(), world.config(""));
    let mut service = service(context.clone(), context, config, Settings::default());
    service.upkeep_interval = Duration::from_millis(50);
    let (service, bound) = (Arc::new(service), Server::bind(([127, 0, 0, 1], 0).into()).await.unwrap());
    let (address, stop) = (bound.address(), CancellationToken::new());
    let server = tokio::spawn(bound.serve(router(Arc::clone(&service)), service, stop.clone()));
    let mut holder = PgConnection::connect(&store_url).await.unwrap();
    assert_eq!(request(address, "GET", "/api/v1/definitions", &[("apikey", &key)], None).await.status, 200);
    holder.execute("BEGIN; LOCK TABLE daymark.api_keys").await.unwrap();
    world.set_clock("2025-01-11T12:05:00Z");
    until("the write timed out and was tried again", async || {
        let waiting = "SELECT count(*) FROM pg_locks
                       WHERE NOT granted AND relation = 'daymark.api_keys'::regclass";
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut holder).await.unwrap() > 1
    })
    .await;
    holder.execute("ROLLBACK").await.unwrap();
    stop.cancel();
    server.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_stops_a_server_whose_connections_are_all_taken() {
    let directory = tempfile::tempdir().unwrap();
    let url = |name: &str| format!("sqlite:{}", directory.path().join(name).display());
    let (store_url, platform_url) = (url("store.db"), url("platform.db"));
    let world = World::at(tempfile::tempdir().unwrap(), store_url.clone(), platform_url.clone()).await;
    let key = new_key(&world.context, "reader", Role::Reader).await;
    let server = Process::start(&store_url, &platform_url, &[("DAYMARK_HTTP_MAX_CONNECTIONS", "1")]);
    let mut only = RawClient::connect(server.address).await;
    only.get("/livez", &key).await;
    assert!(only.some().await.starts_with(b"HTTP/1.1 200"));
    // The system has completed this connection, but the server has not accepted it.
    let mut second = RawClient::connect(server.address).await;
    second.get("/livez", &key).await;
    server.terminate();
    let status = tokio::task::spawn_blocking(|| server.ended()).await.unwrap();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_waits_for_a_run_does_not_delay_the_stop() {
    let mut settings = Settings::default();
    settings.http.shutdown = DEADLINE * 10;
    let site = Site::start(World::sqlite().await, settings).await;
    // The platform is locked, so the run waits for it.
    let mut locked = SqliteConnection::connect(&site.world.platform_url).await.unwrap();
    locked.execute("BEGIN EXCLUSIVE").await.unwrap();
    let request = json!({});
    let (reply, ()) = tokio::join!(site.post("/rest/v1/rpc/collect_daily_metrics", &request), async {
        until("the run has begun", async || !site.world.runs().await.is_empty()).await;
        site.stop();
    });
    assert_eq!((reply.status, &reply.json()["code"]), (503, &json!("57P01")), "{}", reply.text());
    tokio::time::timeout(Duration::from_secs(5), site.stopped()).await.expect("the server does not stop");
}

/// A server that starts closes orphaned runs, and leaves runs alone whose lock another process holds.
async fn the_next_start_closes_a_run_of_a_killed_server(world: World) {
    let store = &world.context.tenant.store;
    let (orphaned, running) = (Uuid::new_v4(), Uuid::new_v4());
    for (id, kind, day) in [(orphaned, RunKind::Backfill, 9), (running, RunKind::Collect, 10)] {
        let (from, started_at) = (date(2025, 1, day), world.context.installation.clock.now());
        let run = NewRun {
            id,
            kind,
            from,
            to: from,
            started_at,
            trigger: daymark::store::Trigger::Cli,
            actor: "cli:test".to_owned(),
            host: "here".to_owned(),
            process_id: 4711,
        };
        store.start_run(&run).await.unwrap();
    }
    let _lock = store.try_lock(&store.run(running).await.unwrap().unwrap().lock()).await.unwrap().unwrap();
    let key = new_key(&world.context, "admin", Role::Admin).await;
    let server = Process::start(&world.store_url, &world.platform_url, &[("DAYMARK_HTTP_CACHE", "false")]);
    let run = async |id: Uuid| {
        let path = format!("/api/v1/runs/{id}");
        request(server.address, "GET", &path, &[("apikey", &key)], None).await.json()
    };
    let closed = run(orphaned).await;
    assert_eq!(closed["status"], "failed");
    assert!(
        closed["error_message"].as_str().unwrap().contains("its process (4711 on here) ended"),
        "{closed}"
    );
    assert_eq!(run(running).await["status"], "running");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_start_closes_a_run_of_a_killed_server_on_sqlite() {
    the_next_start_closes_a_run_of_a_killed_server(World::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_start_closes_a_run_of_a_killed_server_on_postgres() {
    let directory = tempfile::tempdir().unwrap();
    let platform_url = format!("sqlite:{}", directory.path().join("platform.db").display());
    let world = World::at(directory, fresh_database().await, platform_url).await;
    the_next_start_closes_a_run_of_a_killed_server(world).await;
}

/// The server is killed with SIGKILL in the middle of a backfill that a request started.
async fn a_job_of_a_killed_server_is_interrupted(world: World) {
    let key = new_key(&world.context, "admin", Role::Admin).await;
    // The platform is locked, so the run waits for it.
    let mut locked = SqliteConnection::connect(&world.platform_url).await.unwrap();
    locked.execute("BEGIN EXCLUSIVE").await.unwrap();
    let start = || Process::start(&world.store_url, &world.platform_url, &[]);
    let server = start();
    let headers = [("apikey", key.as_str()), ("content-type", "application/json")];
    let range = json!({"from": "2025-01-01", "to": "2025-01-06"}).to_string();
    let job = request(server.address, "POST", "/api/v1/backfills", &headers, Some(range)).await;
    assert_eq!(job.status, 202, "{}", job.text());
    let location = job.header("location").to_owned();
    until("its run is in the log", async || !world.runs().await.is_empty()).await;
    server.kill();
    drop(locked);

    let server = start();
    let runs = world.runs().await;
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].status, RunStatus::Failed, "the next server closes the run when it starts");
    assert!(runs[0].error_message.as_deref().unwrap().contains("ended, or lost its lock"), "{runs:?}");
    until("the job is interrupted", async || {
        let job = request(server.address, "GET", &location, &headers[..1], None).await.json();
        assert!(["queued", "running", "interrupted"].contains(&job["status"].as_str().unwrap()), "{job}");
        job["status"] == "interrupted"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_a_killed_server_is_interrupted_on_sqlite() {
    a_job_of_a_killed_server_is_interrupted(World::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_a_killed_server_is_interrupted_on_postgres() {
    a_job_of_a_killed_server_is_interrupted(World::postgres_store_of_sqlite().await).await;
}
