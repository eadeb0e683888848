//! The statement of a cancelled job or request also ends on the database.

use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};

use crate::{
    raw::{RawClient, until},
    site::{Settings, Site},
    world::{World, definition},
};

/// How long a statement may outlive the job or request that waits for it.
const LEFT_OVER: Duration = Duration::from_secs(2);

/// A statement that takes minutes.
const HEAVY: &str =
    "SELECT count(*) AS value FROM generate_series(1, 4000000001) g WHERE {day_start} < {day_end}";
const ACTIVE: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'
                      AND query LIKE '%generate_series(1, 4000000001)%' AND pid <> pg_backend_pid()";
const WAITING: &str =
    "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'daymark.daily_metrics'::regclass";

async fn count(session: &mut PgConnection, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(session).await.unwrap()
}

async fn assert_it_ends(session: &mut PgConnection, sql: &'static str, of: &str) {
    let started = Instant::now();
    until("it ends", async || count(session, sql).await == 0).await;
    assert!(started.elapsed() < LEFT_OVER, "the statement of {of} went on for {:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_statement_of_a_job_ends_when_the_server_stops() {
    let world = World::postgres().await;
    let measure = json!({"measure": "sql", "query": HEAVY, "shape": "value", "adds_up": "never"});
    world.apply(&[definition("timestamptz", "heavy", measure)]).await;
    let mut observer = PgConnection::connect(&world.platform_url).await.unwrap();
    let site = Site::start(world, Settings::default()).await;
    let job = site.post("/api/v1/collections", &json!({"date": "2025-01-10"})).await;
    assert_eq!(job.status, 202, "{}", job.text());
    until("its statement is running", async || count(&mut observer, ACTIVE).await == 1).await;
    site.stop();
    assert_it_ends(&mut observer, ACTIVE, "a job").await;
}

/// The paths cover each way in which a request reads the store.
#[tokio::test(flavor = "multi_thread")]
async fn the_statement_of_a_request_ends_when_its_client_goes_away() {
    let site = Site::postgres().await;
    assert_eq!(site.get("/api/v1/latest").await.status, 200);
    let mut observer = PgConnection::connect(&site.world.store_url).await.unwrap();
    let mut holder = PgConnection::connect(&site.world.store_url).await.unwrap();
    for path in [
        "/api/v1/metrics?from=2025-01-01&to=2025-01-09",
        "/api/v1/latest?category=posts_total",
        "/api/v1/export?from=2025-01-01&to=2025-01-10",
        "/rest/v1/daily_metrics?limit=7",
    ] {
        holder.execute("BEGIN; LOCK TABLE daymark.daily_metrics").await.unwrap();
        let mut client = RawClient::connect(site.address).await;
        client.get(path, &site.reader).await;
        until("its statement is running", async || count(&mut observer, WAITING).await == 1).await;
        drop(client);
        assert_it_ends(&mut observer, WAITING, path).await;
        holder.execute("ROLLBACK").await.unwrap();
        assert_eq!(site.get("/readyz").await.status, 200, "{path}");
    }
}
