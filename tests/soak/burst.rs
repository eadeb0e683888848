//! Many incomplete runs, and a burst of clients, over records with 1,000 labels, on both stores: answers take no longer than before the
//! runs were there, and memory and the sessions of the database are as before the burst.

use std::time::{Duration, Instant};

use daymark::{
    collect::{BackfillRequest, CancellationToken, backfill},
    store::{NewRun, RunKind, Trigger},
};
use futures_util::future::join_all;
use jiff::{
    SignedDuration,
    civil::{Date, date},
};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::{
    raw::until,
    scale::is_long,
    site::{Settings, Site, request},
    world::{Heard, World},
};

/// The sizes of a short or a long run of this test.
struct Scale {
    runs: usize,
    days: usize,
    requests_per_client: usize,
}

const CLIENTS: usize = 64;
const LABELS: usize = 1000;

fn scale() -> Scale {
    match is_long() {
        true => Scale { runs: 10_000, days: 730, requests_per_client: 500 },
        false => Scale { runs: 200, days: 20, requests_per_client: 20 },
    }
}

const BREAKDOWN: &str = r#"
[metrics.posts_by_label]
measure = "breakdown"
source = "posts"
column = "genre"
top = 1000
"#;

fn first_day(scale: &Scale) -> Date {
    date(2025, 1, 11) - jiff::Span::new().days(i64::try_from(scale.days).unwrap())
}

async fn with_labels(world: World, scale: &Scale) -> World {
    let first = first_day(scale);
    let rows = match world.is_postgres_platform() {
        true => format!(
            "INSERT INTO posts SELECT 1, TIMESTAMPTZ '{first} 12:00Z' + day * INTERVAL '1 day', 'label ' || label
             FROM generate_series(0, {} - 1) AS day, generate_series(0, {LABELS} - 1) AS label",
            scale.days
        ),
        false => format!(
            "WITH RECURSIVE day (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM day WHERE n + 1 < {days}),
                  label (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM label WHERE n + 1 < {LABELS})
             INSERT INTO posts SELECT 1, date('{first}', '+' || day.n || ' days') || ' 12:00:00', 'label ' || label.n
             FROM day, label",
            days = scale.days
        ),
    };
    world.execute(&rows).await;
    let config = world.config(&format!("{}{BREAKDOWN}", crate::world::SOURCES));
    let resolved = daymark::definitions::resolve(&world.context, &config).await.unwrap();
    let mut wanted = crate::world::definitions(world.time_format());
    wanted
        .extend(resolved.definitions.into_iter().filter(|metric| metric.key().category == "posts_by_label"));
    world.apply(&wanted).await;
    let request = BackfillRequest { from: Some(first), ..BackfillRequest::default() };
    backfill(&world.context, &request, &Heard::default(), &CancellationToken::new()).await.unwrap();
    world
}

async fn add_incomplete_runs(world: &World, scale: &Scale) {
    let (store, first) = (&world.context.tenant.store, first_day(scale));
    for number in 0..scale.runs {
        let day = first + jiff::Span::new().days(i64::try_from(number % scale.days).unwrap());
        let started_at = world.context.installation.clock.now();
        let (id, kind, host) = (Uuid::new_v4(), RunKind::Collect, "elsewhere".to_owned());
        // The run never ends, like that of a process that was killed.
        let (trigger, actor) = (Trigger::Schedule, "system".to_owned());
        let run = NewRun { id, kind, from: day, to: day, started_at, trigger, actor, host, process_id: 4711 };
        store.start_run(&run).await.unwrap();
    }
}

/// The sessions of the databases of the store and the platform; 0 where these are files.
async fn sessions(world: &World) -> i64 {
    if !world.is_postgres_platform() {
        return 0;
    }
    let mut observer = PgConnection::connect(&world.store_url).await.unwrap();
    let count = "SELECT count(*) FROM pg_stat_activity
                 WHERE backend_type = 'client backend' AND datname IN (current_database(), $1) AND pid <> pg_backend_pid()";
    let platform = world.platform_url.rsplit('/').next().unwrap();
    sqlx::query_scalar(count).bind(platform).fetch_one(&mut observer).await.unwrap()
}

/// Resident memory of this process, in bytes.
fn resident() -> u64 {
    let statistics = std::fs::read_to_string("/proc/self/statm").unwrap();
    statistics.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// The median of some requests, none of which another request has asked before, so that no answer is cached. `first` is the limit of
/// the first.
async fn median_time(site: &Site, path: &str, first: usize) -> Duration {
    let mut times = Vec::new();
    for number in 0..9 {
        let path = format!("{path}&limit={}", first + number);
        let started = Instant::now();
        let reply = site.get(&path).await;
        times.push(started.elapsed());
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    }
    times.sort_unstable();
    times[times.len() / 2]
}

const PATHS: [&str; 6] = [
    "/api/v1/metrics?metadata=true&category=posts_by_label",
    "/api/v1/metrics?interval=week&category=posts_by_label",
    "/api/v1/latest",
    "/api/v1/activity",
    "/rest/v1/daily_metrics?limit=100",
    "/api/v1/export?category=posts_total",
];

#[tokio::test(flavor = "multi_thread")]
async fn memory_sessions_and_answer_times_are_as_before_on_sqlite() {
    are_as_before(World::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_sessions_and_answer_times_are_as_before_on_postgres() {
    are_as_before(World::postgres().await).await;
}

async fn are_as_before(world: World) {
    let scale = scale();
    let mut settings = Settings::default();
    settings.http.max_concurrent_exports = 2 * CLIENTS;
    settings.http.max_concurrent_requests = 2 * CLIENTS;
    let site = Site::start(with_labels(world, &scale).await, settings).await;
    let time_before = median_time(&site, PATHS[0], 70).await;
    add_incomplete_runs(&site.world, &scale).await;
    let time_with_runs = median_time(&site, PATHS[0], 90).await;
    // A first burst fills pools of sessions, caches and the allocator's arenas.
    burst(&site, 3).await;
    let (before, sessions_before) = (resident(), sessions(&site.world).await);
    burst(&site, scale.requests_per_client).await;
    let clock = &site.world.clock;
    clock.set(site.world.context.installation.clock.now() + SignedDuration::from_hours(1));
    site.service.run_upkeep().await;
    site.service.access.run_upkeep().await;
    let (after, time_after) = (resident(), median_time(&site, PATHS[0], 110).await);
    // The limit is an eighth more, and 48 MiB that a burst of the short form may leave in the allocator's arenas.
    let allowed = before + before / 8 + (48 << 20);
    assert!(after <= allowed, "{} MiB before, {} MiB after", before >> 20, after >> 20);
    let allowed = 3 * time_before + Duration::from_millis(20);
    assert!(
        time_with_runs < allowed && time_after < allowed,
        "{time_before:?} before the runs, {time_with_runs:?} with them, {time_after:?} after the burst"
    );
    let sessions_after = sessions(&site.world).await;
    assert!(sessions_after <= sessions_before, "{sessions_before} sessions before, {sessions_after} after");
    until("no export holds a permit", async || site.service.exports.held() == 0).await;
    let counted = site.service.counters.render();
    assert!(counted.lines().any(|line| line == "daymark_http_requests_in_flight 0"), "{counted}");
}

/// Each client requests all paths in turn, concurrently with the others.
async fn burst(site: &Site, requests: usize) {
    let clients = (0..CLIENTS).map(|client| {
        let (address, key) = (site.address, site.reader.clone());
        tokio::spawn(async move {
            for number in 0..requests {
                let path = PATHS[(client + number) % PATHS.len()];
                // Each client has another limit, so that clients do not share cached answers of series.
                let path = match path.starts_with("/api/v1/metrics") {
                    true => format!("{path}&limit={}", client + 1),
                    false => path.to_owned(),
                };
                let reply = request(address, "GET", &path, &[("apikey", &key)], None).await;
                assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            }
        })
    });
    for client in join_all(clients).await {
        client.unwrap();
    }
}
