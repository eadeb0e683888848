//! Collections at the end of daylight saving time, when a day is longer than 24 hours.

use std::{sync::Arc, time::Duration};

use daymark::{
    clock::SetClock,
    collect::{CancellationToken, CollectError, Context, Initiator, Installation, Tenant, collect_day},
    database::{DatabaseUrl, RetryPolicy},
    definitions::apply,
    metric::{Calendar, Definition},
    platform::{self, PlatformOptions},
    store::{self, StoreOptions, Trigger},
};
use jiff::{SignedDuration, Timestamp, civil::Date};
use serde_json::json;

use crate::database::Database;

const SETTLE: SignedDuration = SignedDuration::from_mins(15);

/// A context over two SQLite files. The table `posts` has a row at each of `times`.
async fn context(
    directory: &tempfile::TempDir,
    zone: &str,
    clock: Arc<SetClock>,
    times: &[Timestamp],
) -> Context {
    let file = |name: &str| Database::Sqlite(directory.path().join(name));
    let (platform, store) = (file("platform.db"), file("store.db"));
    let rows: Vec<_> = times.iter().map(|time| format!("('{time}')")).collect();
    let content =
        format!("CREATE TABLE posts (created_at text); INSERT INTO posts VALUES {}", rows.join(", "));
    platform.execute(&content).await;

    let [platform, store] = [platform, store].map(|database| database.url().parse::<DatabaseUrl>().unwrap());
    let calendar = Calendar::new(zone).unwrap();
    let retry = RetryPolicy { retries: 0, initial_delay: Duration::ZERO };
    let limit = Duration::from_secs(30);
    let reading = PlatformOptions {
        calendar: calendar.clone(),
        statement_timeout: limit,
        lock_timeout: limit,
        retry,
        assume_fresh: Vec::new(),
    };
    let keeping = StoreOptions {
        tenant: "default".to_owned(),
        schema: store::DEFAULT_SCHEMA.to_owned(),
        retry,
        statement_timeout: None,
    };
    let installation = Installation {
        clock,
        retry,
        chunk_days: 30,
        run_limit: None,
        freshness_wait: std::time::Duration::ZERO,
        host: "here".to_owned(),
        process_id: 1,
    };
    let tenant = Tenant {
        name: "default".to_owned(),
        calendar,
        settle: SETTLE,
        cron: None,
        observed_within: SignedDuration::from_hours(24),
        store: store::open(&store, keeping),
        platform: platform::open(&platform, reading),
        first_row: std::sync::Arc::default(),
        derived: std::sync::Arc::default(),
    };
    let context = Context::new(installation, tenant, Initiator::new(Trigger::Cli, "cli:test"));
    context.tenant.store.migrate().await.unwrap();
    context.tenant.store.simulate_clock().await.unwrap();
    apply(&context, &[posts_created(zone)], false).await.unwrap();
    context
}

fn posts_created(zone: &str) -> Definition {
    let source = json!({"table": "posts", "time_column": "created_at", "time_format": "iso_utc_t"});
    serde_json::from_value(json!({
        "metric_type": "count", "category": "posts_created", "display_name": "New posts",
        "time_zone": zone,
        "measure": "created", "source": "posts", "sources": {"posts": source},
    }))
    .unwrap()
}

/// A day that is `hours` long. It has a row each half hour from its first instant on, and rows just outside it.
struct LongDay {
    zone: &'static str,
    date: Date,
    starts: Timestamp,
    ends: Timestamp,
    hours: f64,
    /// The local time from which the day can be recorded.
    ready_at: &'static str,
}

async fn assert_recorded_whole_and_not_before_its_end(day: LongDay) {
    assert_eq!((day.ends - day.starts).total(jiff::Unit::Hour).unwrap(), day.hours);
    let half_hour = SignedDuration::from_mins(30);
    let within: Vec<_> = std::iter::successors(Some(day.starts), |time| Some(*time + half_hour))
        .take_while(|time| *time < day.ends)
        .collect();
    let second = SignedDuration::from_secs(1);
    let times = [within.as_slice(), &[day.ends - second, day.starts - second, day.ends]].concat();

    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(SetClock::at(day.ends + SETTLE - SignedDuration::from_mins(1)));
    let context = context(&directory, day.zone, Arc::clone(&clock), &times).await;
    let never = CancellationToken::new();

    let early = collect_day(&context, Some(day.date), &[], &never).await.unwrap_err();
    assert!(
        matches!(&early, CollectError::Unfinished { ready_at, .. } if ready_at == day.ready_at),
        "{early}"
    );
    assert!(early.to_string().contains(day.ready_at), "{early}");
    assert_eq!(context.tenant.store.recorded_span().await.unwrap(), None);
    assert_eq!(context.last_finished(), day.date.yesterday().unwrap());

    clock.set(day.ends + SETTLE);
    assert_eq!(context.last_finished(), day.date);
    let report = collect_day(&context, None, &[], &never).await.unwrap();
    let values: Vec<_> = report.recorded.iter().map(|metric| metric.value.to_string()).collect();
    assert_eq!((report.date, values), (day.date, vec![(within.len() + 1).to_string()]));
}

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_day_of_25_hours_in_berlin_is_recorded_whole() {
    assert_recorded_whole_and_not_before_its_end(LongDay {
        zone: "Europe/Berlin",
        date: jiff::civil::date(2025, 10, 26),
        starts: instant("2025-10-25T22:00:00Z"),
        ends: instant("2025-10-26T23:00:00Z"),
        hours: 25.0,
        ready_at: "2025-10-27 00:15 CET",
    })
    .await;
}

/// On Lord Howe Island clocks change by half an hour.
#[tokio::test]
async fn a_day_of_24_and_a_half_hours_on_lord_howe_is_recorded_whole() {
    assert_recorded_whole_and_not_before_its_end(LongDay {
        zone: "Australia/Lord_Howe",
        date: jiff::civil::date(2025, 4, 6),
        starts: instant("2025-04-05T13:00:00Z"),
        ends: instant("2025-04-06T13:30:00Z"),
        hours: 24.5,
        ready_at: "2025-04-07 00:15 +1030",
    })
    .await;
}
