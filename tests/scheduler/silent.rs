//! A database that accepts connections and never answers: what waits for it gives up in bounded time, and what was missed is recorded
//! when it answers again.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use daymark::{
    database::RetryPolicy,
    platform::{self, PlatformOptions},
    store::{self, RunFilter, RunStatus, StoreOptions},
};
use jiff::SignedDuration;
use sqlx::{Connection, Executor, PgConnection};

use crate::{
    proxy::Proxy,
    ticks::{Instance, recorded},
    world::World,
};

/// The time limit of a statement. The server has ended it by then.
const LIMIT: Duration = Duration::from_secs(3);
/// The most that one look of the scheduler, or one run, may take beside a silent server: the limit, the margin after it, and the time
/// for which a connection is tried.
const BOUND: Duration = Duration::from_secs(40);
const NO_RETRIES: RetryPolicy = RetryPolicy { retries: 0, initial_delay: Duration::ZERO };

/// Puts a proxy before the platform.
async fn silent_platform(world: &mut World) -> Proxy {
    let proxy = Proxy::before(&world.platform_url).await;
    let options = PlatformOptions {
        calendar: world.context.tenant.calendar.clone(),
        statement_timeout: LIMIT,
        lock_timeout: LIMIT,
        retry: NO_RETRIES,
        assume_fresh: Vec::new(),
    };
    let url = proxy.url(&world.platform_url).parse().unwrap();
    Arc::make_mut(&mut world.context.installation).retry = NO_RETRIES;
    Arc::make_mut(&mut world.context.tenant).platform = platform::open(&url, options);
    proxy
}

/// Puts a proxy before the store. The one that is returned beside it is not affected.
async fn silent_store(world: &mut World) -> Proxy {
    let proxy = Proxy::before(&world.store_url).await;
    let options = StoreOptions {
        tenant: "default".to_owned(),
        schema: store::DEFAULT_SCHEMA.to_owned(),
        retry: NO_RETRIES,
        statement_timeout: Some(LIMIT),
    };
    let url = proxy.url(&world.store_url).parse().unwrap();
    Arc::make_mut(&mut world.context.installation).retry = NO_RETRIES;
    Arc::make_mut(&mut world.context.tenant).store = store::open(&url, options);
    proxy
}

/// Waits until a session in this database waits for a lock.
async fn wait_until_blocked(url: &str) {
    let mut observer = PgConnection::connect(url).await.unwrap();
    let blocked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let started = Instant::now();
    while sqlx::query_scalar::<_, i64>(blocked).fetch_one(&mut observer).await.unwrap() == 0 {
        assert!(started.elapsed() < BOUND, "nothing waits for the lock");
    }
}

#[tokio::test]
async fn a_platform_that_never_answers_fails_the_run_and_is_read_when_it_answers() {
    let mut world = World::postgres().await;
    let proxy = silent_platform(&mut world).await;
    let mut instance = Instance::of(&world.context);
    proxy.silence();
    let started = Instant::now();
    instance.settle().await;
    assert!(started.elapsed() < BOUND, "{:?}", started.elapsed());
    let runs = world.runs().await;
    assert_eq!(runs.iter().map(|run| run.status).collect::<Vec<_>>(), [RunStatus::Failed]);
    proxy.serve_again();
    world.set_clock("2025-01-11T12:05:00Z");
    instance.settle().await;
    assert_eq!(recorded(&world, "posts_total").await.len(), 1);
}

/// The connection is lost silently while a statement waits for a lock, which the server ends at its limit.
#[tokio::test]
async fn a_connection_that_falls_silent_in_the_middle_of_a_statement_fails_the_run() {
    let mut world = World::postgres().await;
    let proxy = silent_platform(&mut world).await;
    let mut instance = Instance::of(&world.context);
    let mut locking = PgConnection::connect(&world.platform_url).await.unwrap();
    locking.execute("BEGIN; LOCK TABLE posts").await.unwrap();
    instance.tick().await;
    wait_until_blocked(&world.platform_url).await;
    proxy.silence();
    drop(locking);
    let started = Instant::now();
    instance.settle().await;
    assert!(started.elapsed() < BOUND, "{:?}", started.elapsed());
    assert_eq!(world.runs().await[0].status, RunStatus::Failed);
    proxy.serve_again();
    world.set_clock("2025-01-11T12:05:00Z");
    instance.settle().await;
    assert_eq!(recorded(&world, "posts_total").await.len(), 1);
}

#[tokio::test]
async fn a_statement_of_the_store_that_is_never_answered_fails() {
    let mut world = World::postgres().await;
    let proxy = silent_store(&mut world).await;
    assert!(world.runs().await.is_empty());
    let mut locking = PgConnection::connect(&world.store_url).await.unwrap();
    locking.execute("BEGIN; LOCK TABLE daymark.metric_collection_log").await.unwrap();
    let store = Arc::clone(&world.context.tenant.store);
    let reading = tokio::spawn(async move { store.runs(&RunFilter::default()).await });
    wait_until_blocked(&world.store_url).await;
    proxy.silence();
    drop(locking);
    let outcome = tokio::time::timeout(BOUND, reading).await.expect("it is given up").unwrap();
    let message = outcome.unwrap_err().to_string();
    assert!(message.contains("the server has not answered within 8 s"), "{message}");
    proxy.serve_again();
    assert!(world.runs().await.is_empty());
}

#[tokio::test]
async fn a_leader_whose_store_never_answers_steps_down_and_leads_again_later() {
    let mut world = World::postgres().await;
    let untouched = Arc::clone(&world.context.tenant.store);
    let proxy = silent_store(&mut world).await;
    let mut instance = Instance::of(&world.context);
    instance.settle().await;
    assert!(instance.leads());
    proxy.silence();
    for minute in 1..=3 {
        world.clock.set(world.context.now() + SignedDuration::from_mins(minute));
        let started = Instant::now();
        instance.tick().await;
        assert!(started.elapsed() < BOUND, "{:?}", started.elapsed());
    }
    assert!(!instance.leads(), "its lock may be another's by now");
    proxy.serve_again();
    world.set_clock("2025-01-12T00:20:00Z");
    instance.take_the_lead().await;
    instance.settle().await;
    Arc::make_mut(&mut world.context.tenant).store = untouched;
    assert_eq!(recorded(&world, "posts_total").await.len(), 2, "the day that ended meanwhile is recorded");
}
