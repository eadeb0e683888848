//! Answers are cached until the store changes, and requests execute a known number of statements.

use std::time::{Duration, Instant};

use daymark::{
    access::Role,
    collect::{CancellationToken, collect_day},
    store::{Held, LockName, NewRun, RunKind},
};
use jiff::civil::date;
use serde_json::Value;
use sqlx::{Connection, Executor, PgConnection};
use uuid::Uuid;

use crate::{
    on_both_stores,
    process::Process,
    raw::{RawClient, until},
    server::PrivateServer,
    site::{Settings, Site, new_key, request},
    world::World,
};

on_both_stores!(
    a_new_record_replaces_the_cached_answer,
    a_matching_entity_tag_gets_304_without_a_store_query,
    an_interrupted_run_is_reported_within_seconds,
    the_status_is_cached_until_the_store_or_a_run_changes,
    concurrent_equal_requests_query_the_store_once,
    answers_are_compressed_with_the_encoding_that_the_client_accepts,
    tables_are_cached_and_have_entity_tags,
);

const LATEST: &str = "/api/v1/latest?category=posts_total";

fn counted(site: &Site, name: &str) -> u64 {
    let text = site.service.counters.render();
    let line = text.lines().find(|line| line.starts_with(name));
    line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

fn store_queries(site: &Site) -> u64 {
    counted(site, "daymark_http_store_queries_total")
}

/// Waits until answers are cached. That needs the connection of the store's watch, and some time after the last change.
async fn settled(site: &Site) {
    loop {
        let before = store_queries(site);
        for _ in 0..2 {
            site.get(LATEST).await;
        }
        if store_queries(site) - before < 2 {
            return;
        }
    }
}

async fn a_new_record_replaces_the_cached_answer(site: Site) {
    settled(&site).await;
    let before = site.get(LATEST).await;
    assert_eq!(before.json()["metrics"][0]["value"], Value::Null);
    // Another process records.
    let other = site.world.another_process();
    collect_day(&other, None, &[], &CancellationToken::new()).await.unwrap();
    // PostgreSQL's notification may arrive a moment after the commit.
    let after = loop {
        let reply = site.get(LATEST).await;
        if reply.header("etag") != before.header("etag") {
            break reply;
        }
    };
    assert_eq!(after.json()["metrics"][0]["value"], 55);
}

async fn a_matching_entity_tag_gets_304_without_a_store_query(site: Site) {
    collect_day(&site.world.context, None, &[], &CancellationToken::new()).await.unwrap();
    settled(&site).await;
    let first = site.get(LATEST).await;
    assert_eq!(first.header("cache-control"), "private, no-cache");
    assert!(first.header("vary").contains("authorization"), "{first:?}");
    let before = store_queries(&site);
    let again = site.get_with(LATEST, &[("if-none-match", first.header("etag"))]).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let known = first.header("etag").to_owned();
    for method in ["GET", "HEAD"] {
        let mut client = RawClient::connect(site.address).await;
        let (key, head) = (&site.reader, format!("{method} {LATEST} HTTP/1.1\r\nhost: localhost\r\n"));
        client
            .send(format!("{head}apikey: {key}\r\nif-none-match: {known}\r\nconnection: close\r\n\r\n"))
            .await;
        let reply = client.rest().await;
        assert!(reply.starts_with("HTTP/1.1 304 ") && reply.ends_with("\r\n\r\n"), "{reply}");
        // A content-length would be that of the answer with status 200 (RFC 9110, 8.6), so none is sent.
        assert!(!reply.to_ascii_lowercase().contains("content-length"), "{reply}");
    }
    assert_eq!(again.header("etag"), first.header("etag"));
    assert_eq!(store_queries(&site), before);
}

/// A run that is killed commits nothing, so the store version does not change. The cached answer expires by time instead.
async fn an_interrupted_run_is_reported_within_seconds(site: Site) {
    let lock = a_running_run(&site).await;
    settled(&site).await;
    let cause = async || {
        let series = site.get("/api/v1/activity?days=1&category=posts_total").await.json();
        series["series"][0]["gaps"][0]["cause"].as_str().unwrap().to_owned()
    };
    assert_eq!((cause().await, cause().await), ("running".to_owned(), "running".to_owned()));
    drop(lock);
    let released = Instant::now();
    while cause().await == "running" {
        assert!(released.elapsed() < Duration::from_secs(10), "the run is still reported as running");
    }
    assert_eq!(cause().await, "failed");
}

async fn the_status_is_cached_until_the_store_or_a_run_changes(site: Site) {
    let status = async || site.get_as_admin("/api/v1/status").await;
    let before = status().await.json();
    assert_eq!((&before["state"], &before["missing"]), (&Value::from("never_ran"), &Value::from(40)));
    // The time of use of the key is written to the store a little later, which changes the store as well.
    until("the status is cached", async || {
        let asked = store_queries(&site);
        assert_eq!(status().await.json(), before);
        store_queries(&site) == asked
    })
    .await;
    let is = async |state: &str| {
        until(state, async || status().await.json()["state"] == state).await;
    };
    collect_day(&site.world.context, None, &[], &CancellationToken::new()).await.unwrap();
    is("completed").await;
    site.world.set_clock("2025-01-11T12:01:00Z");
    let lock = a_running_run(&site).await;
    is("running").await;
    settled(&site).await;
    is("running").await;
    drop(lock);
    // Giving the lock back commits nothing.
    is("died").await;
}

/// Logs a backfill up to the last finished day as running. It holds its lock until the returned value is dropped.
async fn a_running_run(site: &Site) -> Box<dyn Held> {
    let other = site.world.another_process();
    let lock = other.tenant.store.try_lock(&LockName::Backfill).await.unwrap().unwrap();
    let run = NewRun {
        id: Uuid::new_v4(),
        kind: RunKind::Backfill,
        from: date(2025, 1, 1),
        to: other.last_finished(),
        started_at: other.installation.clock.now(),
        trigger: daymark::store::Trigger::Cli,
        actor: "cli:test".to_owned(),
        host: "elsewhere".to_owned(),
        process_id: 4711,
    };
    other.tenant.store.start_run(&run).await.unwrap();
    lock
}

async fn concurrent_equal_requests_query_the_store_once(site: Site) {
    collect_day(&site.world.context, None, &[], &CancellationToken::new()).await.unwrap();
    settled(&site).await;
    let before = store_queries(&site);
    let path = "/api/v1/activity?days=20";
    let replies = futures_util::future::join_all((0..50).map(|_| site.get(path))).await;
    assert!(replies.iter().all(|reply| reply.status == 200 && reply.body == replies[0].body));
    assert_eq!(store_queries(&site) - before, 1);
}

async fn tables_are_cached_and_have_entity_tags(site: Site) {
    const TABLE: &str = "/rest/v1/daily_metrics?select=metric_date,value&metric_category=eq.posts_total";
    settled(&site).await;
    let empty = site.get(TABLE).await;
    assert_eq!((empty.status, empty.text().as_str()), (200, "[]"));
    let other = site.world.another_process();
    collect_day(&other, None, &[], &CancellationToken::new()).await.unwrap();
    until("the record is seen", async || site.get(TABLE).await.text() != "[]").await;
    settled(&site).await;
    let first = site.get(TABLE).await;
    let before = store_queries(&site);
    let known = [("if-none-match", first.header("etag"))];
    assert_eq!(site.get(TABLE).await.body, first.body);
    assert_eq!(site.get_with(TABLE, &known).await.status, 304);
    assert_eq!(store_queries(&site), before);
    // Requests with other headers have answers of their own.
    let object = [("accept", "application/vnd.pgrst.object+json")];
    assert_eq!(site.get_with(TABLE, &object).await.json()["value"], 55);
    let counted = site.get_with(TABLE, &[known[0], ("prefer", "count=exact")]).await;
    assert_eq!((counted.status, counted.header("content-range")), (200, "0-0/1"));
    assert_ne!(counted.header("etag"), first.header("etag"));
}

async fn answers_are_compressed_with_the_encoding_that_the_client_accepts(site: Site) {
    collect_day(&site.world.context, None, &[], &CancellationToken::new()).await.unwrap();
    let plain = site.get_with("/api/v1/activity", &[("accept-encoding", "identity")]).await;
    for encoding in ["gzip", "br"] {
        let packed = site.get_with("/api/v1/activity", &[("accept-encoding", encoding)]).await;
        assert_eq!(packed.header("content-encoding"), encoding);
        assert!(packed.body.len() < plain.body.len() / 3, "{encoding}: {}", packed.body.len());
        assert_eq!(packed.header("etag"), plain.header("etag"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_request_does_not_query_the_store() {
    let site = Site::sqlite().await;
    site.get(LATEST).await;
    let before = store_queries(&site);
    for _ in 0..2 {
        let reply = site.get(&format!("{LATEST}&categry=posts_total")).await;
        assert_eq!((reply.status, reply.problem().as_str()), (400, "invalid-parameter"));
    }
    assert_eq!(store_queries(&site), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_cache_every_request_queries_the_store() {
    let mut settings = Settings::default();
    settings.http.cache = false;
    let site = Site::start(World::sqlite().await, settings).await;
    let before = store_queries(&site);
    let replies = [site.get(LATEST).await, site.get(LATEST).await];
    assert_eq!(store_queries(&site) - before, 2);
    let known = site.get_with(LATEST, &[("if-none-match", replies[0].header("etag"))]).await;
    assert_eq!(known.status, 304, "the entity tag is a hash of the answer, and does not need the cache");
}

/// The PostgreSQL server logs every statement that it executes.
#[tokio::test(flavor = "multi_thread")]
async fn each_request_executes_its_expected_number_of_statements_on_postgres() {
    let server = PrivateServer::new();
    let mut session = PgConnection::connect(&server.url()).await.unwrap();
    session.execute("ALTER DATABASE postgres SET log_statement = 'all'").await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let platform_url = format!("sqlite:{}", directory.path().join("platform.db").display());
    let world = World::at(directory, server.url(), platform_url).await;
    collect_day(&world.context, None, &[], &CancellationToken::new()).await.unwrap();
    let mut settings = Settings::default();
    settings.http.cache = false;
    let site = Site::start(world, settings).await;
    // Definitions are read for every request until the store is watched.
    until("the store is watched", async || site.service.cache.store_version().is_some()).await;
    let run = site.get_as_admin("/api/v1/runs").await.json()["runs"][0]["id"].as_str().unwrap().to_owned();
    let mut statements_of_five = async |path: &str| {
        // The first requests open connections, and read the definitions and the key.
        for _ in 0..5 {
            site.get_as_admin(path).await;
        }
        let before = executed(&mut session).await.len();
        for _ in 0..5 {
            assert_eq!(site.get_as_admin(path).await.status, 200, "{path}");
        }
        executed(&mut session).await.split_off(before)
    };
    // A running run is the cause of gaps. The same statement reads it.
    site.world.set_clock("2025-01-11T12:01:00Z");
    let lock = a_running_run(&site).await;
    for (path, statements) in statements_of_questions(&run) {
        // Noting the use of the key changes the store, and definitions are read once more after a change.
        let expected = async || statements_of_five(&path).await.len() == 5 * statements;
        until(&format!("{path} takes {statements} statements"), expected).await;
    }
    drop(lock);
    let whole = "/api/v1/metrics?from=2025-01-01&to=2025-01-10&interval=day,week,month";
    while site.get(whole).await.text().contains(r#""running""#) {}
    // Whether a run is orphaned is read in pages of the running entries, until an empty one.
    for (path, statements) in [(whole, 4), ("/api/v1/status", 5)] {
        // Closing the orphaned run changes the store, and definitions are read once more after a change.
        let expected = async || statements_of_five(path).await.len() == 5 * statements;
        until(&format!("{path} takes {statements} statements"), expected).await;
    }
}

/// Every GET, and how many statements it executes while only definitions, keys and the server's own jobs are cached.
fn statements_of_questions(run: &str) -> Vec<(String, usize)> {
    let questions = [
        // One statement reads the records, one the incomplete runs.
        ("/api/v1/metrics?from=2025-01-01&to=2025-01-10&interval=day,week,month", 2),
        ("/api/v1/metrics?from=2024-01-12&to=2025-01-10&interval=day,month", 2),
        ("/api/v1/latest", 1),
        ("/api/v1/activity", 2),
        ("/api/v1/definitions", 0),
        // Those who may define get the declarations of all versions.
        ("/api/v1/definitions/posts_total", 1),
        ("/api/v1/definitions/posts_total/sql", 0),
        ("/api/v1/anomalies", 1),
        ("/api/v1/annotations", 1),
        // The runs, the records and those that were corrected.
        ("/api/v1/status", 3),
        ("/api/v1/runs", 1),
        ("/api/v1/runs?status=completed&kind=collect&from=2025-01-01&to=2025-01-31", 1),
        ("/api/v1/export?from=2025-01-01&to=2025-01-10", 2),
        // The first statement reads the day of the oldest record. Without `to`, the number of pages would depend on the present date.
        ("/api/v1/export?to=2025-01-10", 3),
        // Parquet needs two passes over two pages each. The first page is read before the status is sent.
        ("/api/v1/export?from=2025-01-01&to=2025-01-10&format=parquet", 4),
        ("/api/v1/export/activity", 2),
        ("/api/v1/export/latest?format=parquet", 1),
        ("/api/v1/export/definitions", 0),
        ("/api/v1/export/runs", 1),
        ("/api/v1/export/redactions", 1),
        ("/api/v1/redactions", 1),
        ("/rest/v1/daily_metrics?select=*&order=metric_date.desc&limit=5", 1),
        ("/rest/v1/metric_definitions?is_active=eq.true", 1),
        ("/rest/v1/metric_collection_log?select=id,status", 1),
    ];
    let of_run = (format!("/api/v1/runs/{run}"), 1);
    questions.map(|(path, statements)| (path.to_owned(), statements)).into_iter().chain([of_run]).collect()
}

/// The log of the server has a line for every statement at the level `trace`.
#[tokio::test(flavor = "multi_thread")]
async fn each_request_executes_its_expected_number_of_statements_on_sqlite() {
    let world = World::sqlite().await;
    collect_day(&world.context, None, &[], &CancellationToken::new()).await.unwrap();
    let run = world.runs().await[0].id.to_string();
    let key = new_key(&world.context, "admin", Role::Admin).await;
    let settings = [
        ("DAYMARK_HTTP_CACHE", "false"),
        ("DAYMARK_LOG_LEVEL", "trace"),
        ("DAYMARK_ACCESS_RATE_LIMIT_PER_MINUTE", "1000000"),
    ];
    let server = Process::start(&world.store_url, &world.platform_url, &settings);
    let ask = async |path: &str| {
        let reply = request(server.address, "GET", path, &[("apikey", &key)], None).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        // The line of the request follows those of its statements.
        let id = reply.header("x-request-id").to_owned();
        until("the request is logged", async || {
            server.lines(&format!(r#""id":"{id}""#)).iter().any(|line| line.contains("duration_us"))
        })
        .await;
    };
    for (path, statements) in statements_of_questions(&run) {
        // At first connections are opened and definitions are read, and for two seconds after a change nothing is cached.
        until(&format!("{path} takes {statements}"), async || {
            let before = server.logged("sqlx::query");
            for _ in 0..5 {
                ask(&path).await;
            }
            server.logged("sqlx::query") - before == 5 * statements
        })
        .await;
    }
}

/// The statements with parameters in the log of the server, which are those of the store. Statements about `api_keys` are
/// left out, because times of use are written once a minute beside the requests.
async fn executed(session: &mut PgConnection) -> Vec<String> {
    let log: String =
        sqlx::query_scalar("SELECT pg_read_file('server.log')").fetch_one(session).await.unwrap();
    let other = ["pg_read_file", "api_keys"];
    let of_requests =
        |line: &&str| line.contains("LOG:  execute ") && !other.iter().any(|other| line.contains(other));
    log.lines().filter(of_requests).map(str::to_owned).collect()
}
