//! Jobs: runs that requests start.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use daymark::{clock::Clock, http::MAX_RUNNING, store::LockName};
use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection};

use crate::{
    on_both_stores,
    raw::until,
    site::{Settings, Site},
    support::fresh_database,
    world::{LAST_FINISHED, World},
};

on_both_stores!(
    a_request_collects_the_last_finished_day,
    two_equal_requests_backfill_a_range_once,
    a_job_is_busy_while_another_process_holds_the_lock
);

pub async fn finished(site: &Site, location: &str) -> Value {
    let mut job = Value::Null;
    until("the job has ended", async || {
        job = site.get_as_admin(location).await.json();
        // Between two requests the job has the processor.
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        job["status"] != "running"
    })
    .await;
    job
}

async fn a_request_collects_the_last_finished_day(site: Site) {
    let accepted = site.post("/api/v1/collections", &json!({})).await;
    assert_eq!(accepted.status, 202, "{}", accepted.text());
    let job = finished(&site, accepted.header("location")).await;
    assert_eq!(
        (&job["status"], &job["recorded"], &job["already_there"]),
        (&json!("completed"), &json!(4), &json!(0))
    );
    let run = site.get_as_admin(&format!("/api/v1/runs/{}", job["run_id"].as_str().unwrap())).await.json();
    assert_eq!((&run["status"], &run["metrics_collected"]), (&json!("completed"), &json!(4)));
    let again = site.post("/api/v1/collections", &json!({"date": "2025-01-10"})).await;
    let job = finished(&site, again.header("location")).await;
    assert_eq!((&job["recorded"], &job["already_there"]), (&json!(0), &json!(4)));
    let value = site.get("/api/v1/latest?category=posts_total").await.json();
    assert_eq!(value["metrics"][0]["value"], 55);
}

async fn a_job_is_busy_while_another_process_holds_the_lock(site: Site) {
    let other = site.world.another_process();
    let lock = other.tenant.store.try_lock(&LockName::Day(LAST_FINISHED)).await.unwrap().unwrap();
    let accepted = site.post("/api/v1/collections", &json!({})).await;
    let job = finished(&site, accepted.header("location")).await;
    assert_eq!(
        (&job["status"], &job["days_done"], &job["run_id"]),
        (&json!("busy"), &json!(0), &Value::Null)
    );
    assert!(job["error"].as_str().unwrap().contains("is already being done by"), "{job}");
    drop(lock);
    let accepted = site.post("/api/v1/collections", &json!({})).await;
    assert_eq!(finished(&site, accepted.header("location")).await["status"], "completed");
}

async fn two_equal_requests_backfill_a_range_once(site: Site) {
    let request = json!({"from": "2025-01-01", "to": "2025-01-10"});
    let (one, other) =
        tokio::join!(site.post("/api/v1/backfills", &request), site.post("/api/v1/backfills", &request));
    let job = finished(&site, one.header("location")).await;
    assert_eq!((&job["status"], &job["recorded"]), (&json!("completed"), &json!(40)), "{job}");
    assert_eq!((&job["days_total"], &job["days_done"]), (&json!(10), &json!(10)));
    if one.header("location") != other.header("location") {
        // The first job had ended before the second request arrived.
        assert_eq!(finished(&site, other.header("location")).await["recorded"], 0);
    }
    assert_eq!(site.world.records().await.len(), 40);
}

/// Opens a connection that keeps all others from reading the file until it is dropped.
async fn locked(platform_url: &str) -> SqliteConnection {
    let mut connection = SqliteConnection::connect(platform_url).await.unwrap();
    connection.execute("BEGIN EXCLUSIVE").await.unwrap();
    connection
}

#[tokio::test(flavor = "multi_thread")]
async fn two_equal_requests_share_one_job() {
    let site = Site::sqlite().await;
    // The platform is locked, so its readers wait.
    let _locked = locked(&site.world.platform_url).await;
    let request = json!({"metrics": ["posts_total"]});
    let one = site.post("/api/v1/collections", &request).await;
    let other = site.post("/api/v1/collections", &request).await;
    assert_eq!(one.header("location"), other.header("location"));
    assert_eq!(one.json()["id"], other.json()["id"]);
    let different = site.post("/api/v1/collections", &json!({"metrics": ["posts_created"]})).await;
    assert_ne!(one.header("location"), different.header("location"));
    // The order of the metrics and repeated ones make no difference.
    let several = json!({"from": "2025-01-01", "metrics": ["posts_total", "authors"]});
    let several = site.post("/api/v1/backfills", &several).await;
    let repeated =
        json!({"from": "2025-01-01", "to": "2025-01-10", "metrics": ["authors", "posts_total", "authors"]});
    let repeated = site.post("/api/v1/backfills", &repeated).await;
    assert_eq!(several.header("location"), repeated.header("location"));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_jobs_are_limited() {
    let site = Site::sqlite().await;
    let lock = locked(&site.world.platform_url).await;
    let day = |day: usize| json!({"date": format!("2025-01-{day:02}")});
    let mut jobs = Vec::new();
    for number in 1..=MAX_RUNNING {
        let accepted = site.post("/api/v1/collections", &day(number)).await;
        assert_eq!(accepted.status, 202, "{}", accepted.text());
        jobs.push(accepted.header("location").to_owned());
    }
    for (path, body) in
        [("/api/v1/collections", day(MAX_RUNNING + 1)), ("/api/v1/backfills", json!({"from": "2025-01-01"}))]
    {
        let refused = site.post(path, &body).await;
        assert_eq!((refused.status, refused.problem().as_str()), (503, "too-many-runs"));
        assert_eq!(refused.header("retry-after"), "10");
    }
    let refused = site.post("/rest/v1/rpc/collect_daily_metrics", &json!({})).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "10"), "{}", refused.text());
    assert_eq!(refused.json()["code"], "53400");
    let again = site.post("/api/v1/collections", &day(1)).await;
    assert_eq!(
        (again.status, again.header("location")),
        (202, jobs[0].as_str()),
        "an equal request is not a further job"
    );
    drop(lock);
    for job in &jobs {
        assert_eq!(finished(&site, job).await["status"], "completed");
    }
    assert_eq!(site.post("/api/v1/collections", &day(MAX_RUNNING + 1)).await.status, 202);
}

/// PostgreSQL's notification may arrive after a client has seen the end of the job. Here the triggers that send it are dropped.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sees_the_end_of_a_job_sees_its_records() {
    let (store_url, platform_url) = (fresh_database().await, fresh_database().await);
    let world = World::at(tempfile::tempdir().unwrap(), store_url.clone(), platform_url).await;
    let mut owner = PgConnection::connect(&store_url).await.unwrap();
    for table in ["daily_metrics", "metric_definitions", "metric_collection_log"] {
        let drop = format!("DROP TRIGGER notify_change ON daymark.{table}");
        owner.execute(AssertSqlSafe(drop)).await.unwrap();
    }
    let site = Site::start(world, Settings::default()).await;
    while site.service.cache.store_version().is_none() {
        tokio::task::yield_now().await;
    }
    let latest =
        async || site.get("/api/v1/latest?category=posts_total").await.json()["metrics"][0]["value"].clone();
    assert_eq!(latest().await, Value::Null);
    let accepted = site.post("/api/v1/collections", &json!({})).await;
    assert_eq!(finished(&site, accepted.header("location")).await["status"], "completed");
    assert_eq!(latest().await, 55);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unfinished_day_is_refused_with_the_time_it_can_be_recorded_from() {
    let site = Site::sqlite().await;
    let refused = site.post("/api/v1/collections", &json!({"date": "2025-01-11"})).await;
    assert_eq!((refused.status, refused.problem().as_str()), (409, "unfinished-day"));
    assert!(refused.text().contains("2025-01-12 00:"), "{}", refused.text());
    assert_eq!(site.world.runs().await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_ends_before_it_begins_starts_nothing() {
    let site = Site::sqlite().await;
    let request = json!({"from": "2025-01-05", "to": "2025-01-01"});
    let refused = site.post("/api/v1/backfills", &request).await;
    assert_eq!((refused.status, refused.problem().as_str()), (400, "invalid-request"), "{}", refused.text());
    assert!(refused.text().contains("2025-01-05 is after 2025-01-01"), "{}", refused.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_before_the_first_apply_are_refused_as_not_applied() {
    let world = World::sqlite().await;
    let empty = world.with_empty_store().await;
    empty.tenant.store.migrate().await.unwrap();
    empty.tenant.store.simulate_clock().await.unwrap();
    let site = Site::start_with_context(world, empty, Settings::default()).await;
    for path in ["latest", "latest?category=posts_total", "activity", "metrics", "export", "export/latest"] {
        let refused = site.get(&format!("/api/v1/{path}")).await;
        assert_eq!((refused.status, refused.problem().as_str()), (409, "not-applied"), "{path}");
    }
    for path in ["/api/v1/collections", "/api/v1/backfills"] {
        for body in [json!({}), json!({"metrics": ["posts_total"]})] {
            let refused = site.post(path, &body).await;
            assert_eq!((refused.status, refused.problem().as_str()), (409, "not-applied"), "{path} {body}");
            assert!(refused.text().contains("run `daymark apply`"), "{}", refused.text());
        }
    }
    // A request that is invalid by itself is refused as such, also before the first apply.
    assert_eq!(site.get("/api/v1/metrics?from=x").await.problem(), "invalid-parameter");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_metric_is_named() {
    let site = Site::sqlite().await;
    let reply = site.post("/api/v1/collections", &json!({"metrics": ["post_total"]})).await;
    assert_eq!((reply.status, reply.problem().as_str()), (400, "invalid-parameter"), "{}", reply.text());
    assert!(reply.text().contains("`posts_total`"), "{}", reply.text());
}

/// A clock that panics at its second call.
struct Defective {
    clock: Arc<dyn Clock>,
    asked: AtomicUsize,
}

impl Clock for Defective {
    fn now(&self) -> Timestamp {
        assert_ne!(self.asked.fetch_add(1, Ordering::SeqCst), 1, "a defect");
        self.clock.now()
    }

    fn is_simulated(&self) -> bool {
        self.clock.is_simulated()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_panics_fails_and_the_server_keeps_running() {
    let world = World::sqlite().await;
    // The clock is called for the first time when the job is created.
    let clock =
        Defective { clock: Arc::clone(&world.context.installation.clock), asked: AtomicUsize::new(0) };
    let mut jobs = world.context.clone();
    Arc::make_mut(&mut jobs.installation).clock = Arc::new(clock);
    let site = Site::start_with(world, jobs, Settings::default()).await;
    let accepted = site.post("/api/v1/collections", &json!({})).await;
    assert_eq!(accepted.status, 202);
    let job = finished(&site, accepted.header("location")).await;
    assert_eq!((&job["status"], &job["recorded"]), (&json!("failed"), &json!(0)), "{job}");
    // The same request starts another job now, which completes.
    let accepted = site.post("/api/v1/collections", &json!({})).await;
    let job = finished(&site, accepted.header("location")).await;
    assert_eq!((&job["status"], &job["recorded"]), (&json!("completed"), &json!(4)), "{job}");
}
