//! The health of the collection.

use daymark::{
    collect::{BackfillRequest, CancellationToken, backfill, collect_day, pause},
    metric::Definition,
    query::{HealthResponse, OwnQueries, health},
    store::{Leader, LockName},
    telemetry::QueryTimes,
};

use crate::{
    on,
    world::{Heard, LAST_FINISHED, World, definitions, instant, january, range, right_now},
};

on! { [sqlite, postgres]
    before_the_first_run_nothing_is_known_and_nothing_is_zero,
    runs_are_counted_and_measured,
    gaps_are_listed_by_metric_with_their_cause,
    days_whose_rows_the_platform_has_deleted_are_not_reported_as_missing,
    a_platform_that_is_away_has_an_unknown_lag,
    the_schedule_and_its_leader_are_shown,
    only_recent_days_are_searched_for_gaps,
}

async fn health_of(world: &World) -> HealthResponse {
    health(&world.context, OwnQueries::None).await.unwrap()
}

async fn collect(world: &World, day: i8) {
    // A failure is in the log, which is what these tests read.
    let _ = collect_day(&world.context, Some(january(day)), &[], &CancellationToken::new()).await;
}

async fn before_the_first_run_nothing_is_known_and_nothing_is_zero(world: World) {
    let health = health_of(&world).await;
    assert_eq!((health.last_run, health.last_completed_at, health.last_recorded_at), (None, None, None));
    let week = &health.runs.last_7_days;
    assert_eq!((week.collections, week.success_rate), (0, None));
    assert_eq!((&week.duration, &week.metrics_per_run), (&None, &None));
    assert_eq!(health.queries, None);
    let unknown: Vec<_> = health.unknown.iter().map(|unknown| unknown.field).collect();
    assert_eq!(unknown, ["queries"]);
    assert_eq!((health.platform.state, health.platform.lag_seconds), ("reachable", Some(0)));
    // All metrics were defined on the 11th, and the 10th can be recorded all the same.
    let gaps = health.gaps.unwrap();
    assert_eq!((gaps.from, gaps.to, gaps.missing_records), (LAST_FINISHED, LAST_FINISHED, 0));
    assert_eq!((gaps.by_cause[0].cause, gaps.by_cause[0].missing_records), ("defined_later", 4));
}

async fn runs_are_counted_and_measured(world: World) {
    world.set_clock("2025-01-02T00:20:00Z");
    world.apply(&definitions(world.time_format())).await;
    collect(&world, 1).await;
    world.set_clock("2025-01-10T00:20:00Z");
    collect(&world, 9).await;
    world.execute("ALTER TABLE comments RENAME TO hidden").await;
    world.set_clock("2025-01-11T00:20:00Z");
    collect(&world, 10).await;
    let found = health_of(&world).await;
    assert_eq!(found.last_run.unwrap().status, "partial");
    assert_eq!(found.last_completed_at, Some(instant("2025-01-10T00:20:00Z")));
    assert_eq!(found.last_recorded_at, Some(instant("2025-01-11T00:20:00Z")));
    let (week, month) = (&found.runs.last_7_days, &found.runs.last_30_days);
    assert_eq!((week.collections, week.completed, week.partial, week.failed), (2, 1, 1, 0));
    assert_eq!((week.success_rate, month.success_rate), (Some(0.5), Some(2.0 / 3.0)));
    assert_eq!(week.metrics_per_run.as_ref().map(|metrics| (metrics.median, metrics.max)), Some((3.0, 4.0)));
    assert_eq!(found.runs.consecutive_failures, 0);

    for _ in 0..2 {
        world.execute("ALTER TABLE posts RENAME TO posts_hidden").await;
        world.set_clock("2025-01-12T00:20:00Z");
        collect(&world, 11).await;
        world.execute("ALTER TABLE posts_hidden RENAME TO posts").await;
    }
    assert_eq!(health_of(&world).await.runs.consecutive_failures, 2);
}

async fn gaps_are_listed_by_metric_with_their_cause(world: World) {
    let mut wanted = definitions(world.time_format());
    wanted.push(right_now(world.time_format()));
    world.apply(&wanted).await;
    world.set_clock("2025-01-15T12:00:00Z");
    world.execute("ALTER TABLE comments RENAME TO hidden").await;
    collect(&world, 14).await;
    world.execute("ALTER TABLE hidden RENAME TO comments").await;
    let only = |name: &str| BackfillRequest { only: vec![name.to_owned()], ..range(11, 13) };
    for name in ["authors", "posts_total"] {
        backfill(&world.context, &only(name), &Heard::default(), &CancellationToken::new()).await.unwrap();
    }
    let gaps = health_of(&world).await.gaps.unwrap();
    let shown: Vec<_> = gaps
        .by_metric
        .iter()
        .map(|gap| format!("{} {}..{} {}", gap.metric_category, gap.from.day(), gap.to.day(), gap.cause))
        .collect();
    assert_eq!(
        shown,
        [
            "comments_created 14..14 failed",
            "comments_created 11..13 never_collected",
            "posts_created 11..13 never_collected",
            "right_now 11..13 not_reconstructible",
        ]
    );
    assert_eq!((gaps.missing_records, gaps.missing_days, gaps.not_listed), (7, 4, 0));
    let causes: Vec<_> = gaps.by_cause.iter().map(|count| (count.cause, count.missing_records)).collect();
    assert_eq!(causes, [("failed", 1), ("never_collected", 6), ("not_reconstructible", 3)]);
}

async fn days_whose_rows_the_platform_has_deleted_are_not_reported_as_missing(world: World) {
    world.set_clock("2025-01-02T00:20:00Z");
    // Those of the world were defined on the 11th.
    let metrics = ["one", "other"].map(|category| Definition {
        category: category.to_owned(),
        ..definitions(world.time_format()).remove(0)
    });
    world.apply(&metrics).await;
    collect(&world, 1).await;
    world.set_clock("2025-01-08T12:00:00Z");
    for table in ["posts", "comments"] {
        world.execute(&format!("DELETE FROM {table} WHERE created_at < '2025-01-06'")).await;
    }
    let gaps = health_of(&world).await.gaps.unwrap();
    assert_eq!((gaps.missing_days, gaps.missing_records), (2, 4), "of the sixth and the seventh");
    let causes: Vec<_> = gaps.by_cause.iter().map(|count| (count.cause, count.missing_records)).collect();
    assert_eq!(causes, [("before_first_row", 8), ("never_collected", 4)]);
    let facts = daymark::alerts::read_facts(&world.context, &[]).await.unwrap();
    let days: Vec<_> = facts.missing_days.into_iter().collect();
    assert_eq!(days, [(january(6), 2), (january(7), 2)]);
}

async fn a_platform_that_is_away_has_an_unknown_lag(world: World) {
    let health = health(&world.without_platform(), OwnQueries::Of(None)).await.unwrap();
    assert_eq!((health.platform.state, health.platform.lag_seconds), ("unreachable", None));
    let unknown: Vec<_> = health.unknown.iter().map(|unknown| unknown.field).collect();
    assert_eq!(unknown, ["platform.lag_seconds", "queries"]);
    assert!(health.unknown.iter().all(|unknown| !unknown.reason.is_empty()), "{:?}", health.unknown);
}

async fn the_schedule_and_its_leader_are_shown(world: World) {
    let store = &world.context.tenant.store;
    let held = store.try_lock(&LockName::Leader).await.unwrap().unwrap();
    let (since, seen_at) = (instant("2025-01-11T11:00:00Z"), instant("2025-01-11T11:59:00Z"));
    let leader = Leader { host: "here".to_owned(), process_id: 7, since, seen_at };
    store.write_leader(&leader).await.unwrap();
    let schedule = health_of(&world).await.schedule;
    assert_eq!(schedule.next_run.unwrap().at, instant("2025-01-12T00:15:00Z"));
    let shown = schedule.leader.unwrap();
    assert_eq!((shown.process_id, shown.since, shown.is_alive), (7, since, true));
    assert_eq!(schedule.pause, None);
    pause(&world.context, "moving the database", None).await.unwrap();
    assert_eq!(health_of(&world).await.schedule.pause.unwrap().reason, "moving the database");
    drop(held);
    let times = QueryTimes { answered: 200, failed: 1, average_seconds: 0.05, p95_seconds: 0.3 };
    let queries = health(&world.context, OwnQueries::Of(Some(times))).await.unwrap().queries.unwrap();
    assert_eq!((queries.error_rate, queries.p95_seconds, queries.p95_target_seconds), (0.005, 0.3, 0.2));
}

async fn only_recent_days_are_searched_for_gaps(world: World) {
    world.set_clock("2025-01-02T00:20:00Z");
    world.apply(&definitions(world.time_format())).await;
    collect(&world, 1).await;
    world.set_clock("2025-03-01T12:00:00Z");
    let gaps = health_of(&world).await.gaps.unwrap();
    assert_eq!(
        (gaps.from.to_string(), gaps.to.to_string()),
        ("2025-01-30".to_owned(), "2025-02-28".to_owned())
    );
    assert_eq!((gaps.missing_records, gaps.missing_days), (4 * 30, 30));
}
