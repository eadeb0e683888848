//! Answers are kept, and never a moment too long.

use std::time::{Duration, Instant};

use daymark::{
    access::Role,
    collect::{Cancellation, collect_day},
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
    a_new_record_is_seen_at_once,
    a_client_that_has_the_answer_is_told_without_asking_the_store,
    a_run_that_died_is_told_soon,
    the_status_is_kept_until_something_changes,
    many_at_once_ask_the_store_once,
    an_answer_is_compressed_as_the_client_likes,
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

/// Until answers are kept: the store's watch has to have its connection, and the last change to be some while ago.
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

async fn a_new_record_is_seen_at_once(site: Site) {
    settled(&site).await;
    let before = site.get(LATEST).await;
    assert_eq!(before.json()["metrics"][0]["value"], Value::Null);
    // Another process records.
    let other = site.world.another_process();
    collect_day(&other, None, &[], &Cancellation::never()).await.unwrap();
    // PostgreSQL's notification may be a moment behind the commit that it tells of.
    let after = loop {
        let reply = site.get(LATEST).await;
        if reply.header("etag") != before.header("etag") {
            break reply;
        }
    };
    assert_eq!(after.json()["metrics"][0]["value"], 55);
}

async fn a_client_that_has_the_answer_is_told_without_asking_the_store(site: Site) {
    collect_day(&site.world.context, None, &[], &Cancellation::never()).await.unwrap();
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
        // A length would be that of what is not sent (RFC 9110, 8.6), which is not nothing.
        assert!(!reply.to_ascii_lowercase().contains("content-length"), "{reply}");
    }
    assert_eq!(again.header("etag"), first.header("etag"));
    assert_eq!(store_queries(&site), before);
}

/// A run that is killed commits nothing, so nothing says that answers have changed.
async fn a_run_that_died_is_told_soon(site: Site) {
    let held = a_run_at_work(&site).await;
    settled(&site).await;
    let cause = async || {
        let series = site.get("/api/v1/activity?days=1&category=posts_total").await.json();
        series["series"][0]["gaps"][0]["cause"].as_str().unwrap().to_owned()
    };
    assert_eq!((cause().await, cause().await), ("running".to_owned(), "running".to_owned()));
    drop(held);
    let died = Instant::now();
    while cause().await == "running" {
        assert!(died.elapsed() < Duration::from_secs(10), "it still is said to be at work");
    }
    assert_eq!(cause().await, "failed");
}

async fn the_status_is_kept_until_something_changes(site: Site) {
    let status = async || site.get_as_admin("/api/v1/status").await;
    let before = status().await.json();
    assert_eq!((&before["state"], &before["missing"]), (&Value::from("never_ran"), &Value::from(40)));
    // That a key was used is written to the store, too, some time after.
    until("it is kept", async || {
        let asked = store_queries(&site);
        assert_eq!(status().await.json(), before);
        store_queries(&site) == asked
    })
    .await;
    let is = async |state: &str| {
        until(state, async || status().await.json()["state"] == state).await;
    };
    collect_day(&site.world.context, None, &[], &Cancellation::never()).await.unwrap();
    is("completed").await;
    site.world.set_clock("2025-01-11T12:01:00Z");
    let held = a_run_at_work(&site).await;
    is("running").await;
    settled(&site).await;
    is("running").await;
    drop(held);
    // Nothing is committed by that.
    is("died").await;
}

/// A backfill up to the last finished day that is at work until what is returned is dropped.
async fn a_run_at_work(site: &Site) -> Box<dyn Held> {
    let other = site.world.another_process();
    let held = other.tenant.store.try_lock(&LockName::Backfill).await.unwrap().unwrap();
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
    held
}

async fn many_at_once_ask_the_store_once(site: Site) {
    collect_day(&site.world.context, None, &[], &Cancellation::never()).await.unwrap();
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
    collect_day(&other, None, &[], &Cancellation::never()).await.unwrap();
    until("the record is seen", async || site.get(TABLE).await.text() != "[]").await;
    settled(&site).await;
    let first = site.get(TABLE).await;
    let before = store_queries(&site);
    let known = [("if-none-match", first.header("etag"))];
    assert_eq!(site.get(TABLE).await.body, first.body);
    assert_eq!(site.get_with(TABLE, &known).await.status, 304);
    assert_eq!(store_queries(&site), before);
    // Other headers, other answers.
    let object = [("accept", "application/vnd.pgrst.object+json")];
    assert_eq!(site.get_with(TABLE, &object).await.json()["value"], 55);
    let counted = site.get_with(TABLE, &[known[0], ("prefer", "count=exact")]).await;
    assert_eq!((counted.status, counted.header("content-range")), (200, "0-0/1"));
    assert_ne!(counted.header("etag"), first.header("etag"));
}

async fn an_answer_is_compressed_as_the_client_likes(site: Site) {
    collect_day(&site.world.context, None, &[], &Cancellation::never()).await.unwrap();
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
async fn without_the_cache_every_request_asks() {
    let mut settings = Settings::default();
    settings.http.cache = false;
    let site = Site::start(World::sqlite().await, settings).await;
    let before = store_queries(&site);
    let replies = [site.get(LATEST).await, site.get(LATEST).await];
    assert_eq!(store_queries(&site) - before, 2);
    let known = site.get_with(LATEST, &[("if-none-match", replies[0].header("etag"))]).await;
    assert_eq!(known.status, 304, "the tag is of what is recorded, not of the cache");
}

/// Counted by the server, which logs every statement that it executes.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_one_statement() {
    let server = PrivateServer::new();
    let mut session = PgConnection::connect(&server.url()).await.unwrap();
    session.execute("ALTER DATABASE postgres SET log_statement = 'all'").await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let platform_url = format!("sqlite:{}", directory.path().join("platform.db").display());
    let world = World::at(directory, server.url(), platform_url).await;
    collect_day(&world.context, None, &[], &Cancellation::never()).await.unwrap();
    let mut settings = Settings::default();
    settings.http.cache = false;
    let site = Site::start(world, settings).await;
    // Until then definitions are read for every request.
    until("the store is watched", async || site.service.cache.marker().is_some()).await;
    let run = site.get_as_admin("/api/v1/runs").await.json()["runs"][0]["id"].as_str().unwrap().to_owned();
    let mut statements_of_five = async |path: &str| {
        // The first ones open connections, and read the definitions and the key.
        for _ in 0..5 {
            site.get_as_admin(path).await;
        }
        let before = executed(&mut session).await.len();
        for _ in 0..5 {
            assert_eq!(site.get_as_admin(path).await.status, 200, "{path}");
        }
        executed(&mut session).await.split_off(before)
    };
    // It is the newest and the cause of gaps, and asked about in the same statement.
    site.world.set_clock("2025-01-11T12:01:00Z");
    let held = a_run_at_work(&site).await;
    for (path, statements) in statements_of_questions(&run) {
        let executed = statements_of_five(&path).await;
        assert_eq!(executed.len(), 5 * statements, "{path}: {executed:#?}");
    }
    drop(held);
    let whole = "/api/v1/metrics?from=2025-01-01&to=2025-01-10&interval=day,week,month";
    while site.get(whole).await.text().contains(r#""running""#) {}
    for (path, statements) in [(whole, 3), ("/api/v1/status", 3)] {
        // The note that the run is dead changes the store, and definitions are read once more after a change.
        let expected = async || statements_of_five(path).await.len() == 5 * statements;
        until(&format!("{path} takes {statements} statements"), expected).await;
    }
}

/// Every GET, and how many statements it asks of the store when nothing is kept but definitions, keys and the own jobs.
fn statements_of_questions(run: &str) -> Vec<(String, usize)> {
    let questions = [
        // The records, and the runs that did not complete them.
        ("/api/v1/metrics?from=2025-01-01&to=2025-01-10&interval=day,week,month", 2),
        ("/api/v1/metrics?from=2024-01-12&to=2025-01-10&interval=day,month", 2),
        ("/api/v1/latest", 1),
        ("/api/v1/activity", 2),
        ("/api/v1/definitions", 0),
        ("/api/v1/definitions/posts_total", 0),
        ("/api/v1/status", 2),
        ("/api/v1/runs", 1),
        ("/api/v1/runs?status=completed&kind=collect&from=2025-01-01&to=2025-01-31", 1),
        ("/api/v1/export?from=2025-01-01&to=2025-01-10", 2),
        // Since when there are records is asked first.
        ("/api/v1/export", 3),
        // Two passes over two pages each, the first of which is read before anything is promised.
        ("/api/v1/export?from=2025-01-01&to=2025-01-10&format=parquet", 4),
        ("/api/v1/export/activity", 2),
        ("/api/v1/export/latest?format=parquet", 1),
        ("/api/v1/export/definitions", 0),
        ("/api/v1/export/runs", 1),
        ("/rest/v1/daily_metrics?select=*&order=metric_date.desc&limit=5", 1),
        ("/rest/v1/metric_definitions?is_active=eq.true", 1),
        ("/rest/v1/metric_collection_log?select=id,status", 1),
    ];
    let of_run = (format!("/api/v1/runs/{run}"), 1);
    questions.map(|(path, statements)| (path.to_owned(), statements)).into_iter().chain([of_run]).collect()
}

/// Counted by the lines of its log, which has every statement at the level `trace`.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_one_statement_on_sqlite() {
    let world = World::sqlite().await;
    collect_day(&world.context, None, &[], &Cancellation::never()).await.unwrap();
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
        // A line of the log comes after those of what the request did.
        let id = reply.header("x-request-id").to_owned();
        until("the request is logged", async || {
            server.lines(&format!(r#""id":"{id}""#)).iter().any(|line| line.contains("duration_us"))
        })
        .await;
    };
    for (path, statements) in statements_of_questions(&run) {
        // Until connections are open and definitions are kept; nothing is kept for two seconds after a change.
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

/// The statements with parameters in the log of the server, as all of the store's are. The note of when a key was used is
/// left out: it is taken beside the request once a minute.
async fn executed(session: &mut PgConnection) -> Vec<String> {
    let log: String =
        sqlx::query_scalar("SELECT pg_read_file('server.log')").fetch_one(session).await.unwrap();
    let other = ["pg_read_file", "api_keys"];
    let of_requests =
        |line: &&str| line.contains("LOG:  execute ") && !other.iter().any(|other| line.contains(other));
    log.lines().filter(of_requests).map(str::to_owned).collect()
}
