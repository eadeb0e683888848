//! Collecting a day.

use std::{sync::Arc, time::Duration};

use daymark::{
    collect::{
        CancellationToken, CollectError, Context, DayReport, backfill, collect_day, collect_if_due, gaps,
        run_limit,
    },
    definitions::{PreviewDays, preview_definitions, request_preview_context},
    metric::Provenance,
    store::{LockName, NewRun, RunKind, RunStatus},
};
use jiff::{SignedDuration, civil::Date};
use serde_json::json;
use uuid::Uuid;

use crate::{
    on,
    world::{
        Heard, LAST_FINISHED, World, definition, definitions, instant, january, message, range, right_now,
    },
};

on! { [sqlite_store_of_postgres, postgres_store_of_sqlite]
    records_stay_when_the_platforms_rows_are_deleted,
}

on! { [sqlite, postgres]
    records_stay_when_the_platforms_rows_are_deleted,
    an_unfinished_day_is_refused_and_not_logged,
    a_day_is_observed_only_soon_after_its_end,
    a_day_before_the_platforms_first_row_is_not_collected_after_the_fact,
    a_lasting_failure_is_retried_at_growing_intervals,
    a_failure_while_the_clock_was_ahead_does_not_put_off_the_next_attempt,
    a_corrected_definition_is_retried_at_once,
    metrics_that_are_not_read_by_the_deadline_fail_as_timed_out,
    a_preview_for_a_request_names_its_own_limit,
    a_record_that_the_store_refuses_fails_its_own_metric_only,
    a_date_that_the_time_zone_skipped_is_refused,
    a_failing_metric_does_not_fail_the_others,
    a_run_that_records_no_metric_has_failed,
    an_unreachable_platform_is_logged_as_a_failed_run,
    only_one_of_two_concurrent_collections_records,
    a_second_collection_names_the_process_that_holds_the_lock,
    the_next_run_closes_orphaned_runs,
    a_metric_that_cannot_be_reconstructed_is_recorded_on_time_only,
    only_the_named_metrics_are_recorded,
    a_cancelled_run_is_logged_as_failed,
}

async fn collect(context: &Context, date: Option<Date>) -> Result<DayReport, CollectError> {
    collect_day(context, date, &[], &CancellationToken::new()).await
}

async fn records_stay_when_the_platforms_rows_are_deleted(world: World) {
    let first = collect(&world.context, None).await.unwrap();
    assert_eq!(
        (first.date, first.provenance, first.status),
        (LAST_FINISHED, Provenance::Observed, RunStatus::Completed)
    );
    let mut recorded: Vec<_> =
        first.recorded.iter().map(|metric| format!("{} {}", metric.key.category, metric.value)).collect();
    recorded.sort();
    assert_eq!(recorded, ["authors 2", "comments_created 1", "posts_created 10", "posts_total 55"]);
    let before = world.records().await;
    assert!(
        before.iter().all(|record| Some(record.collection_id) == first.run && record.definition_version == 1)
    );

    world.execute("DELETE FROM posts").await;
    let again = collect(&world.context, None).await.unwrap();
    assert_eq!((again.already_there, again.recorded.len(), again.status), (4, 0, RunStatus::Completed));
    assert_eq!(again.run, None, "nothing was read, so no run is logged");
    assert_eq!(world.records().await, before);
    let logged: Vec<_> = world.runs().await.iter().map(|run| (run.status, run.metrics_collected)).collect();
    assert_eq!(logged, [(RunStatus::Completed, 4)]);
}

async fn an_unfinished_day_is_refused_and_not_logged(world: World) {
    let refused = collect(&world.context, Some(january(11))).await.unwrap_err();
    assert_eq!(
        message(refused),
        "2025-01-11 is not finished: it can be recorded from 2025-01-12 00:15 UTC; the last finished day is 2025-01-10"
    );
    world.set_clock("2025-01-12T00:14:59Z");
    assert!(matches!(collect(&world.context, Some(january(11))).await, Err(CollectError::Unfinished { .. })));
    assert!(world.runs().await.is_empty());
    world.set_clock("2025-01-12T00:15:00Z");
    assert_eq!(collect(&world.context, None).await.unwrap().date, january(11));
}

async fn a_day_is_observed_only_soon_after_its_end(mut world: World) {
    Arc::make_mut(&mut world.context.tenant).observed_within = SignedDuration::from_hours(6);
    // A schedule runs at midnight, when the settle delay of the day that has just ended is not over.
    world.set_clock("2025-01-10T00:00:00Z");
    let day_before = collect(&world.context, None).await.unwrap();
    assert_eq!((day_before.date, day_before.provenance), (january(8), Provenance::Reconstructed));
    world.set_clock("2025-01-10T06:00:00Z");
    let on_time = collect(&world.context, None).await.unwrap();
    assert_eq!((on_time.date, on_time.provenance), (january(9), Provenance::Observed));
    world.set_clock("2025-01-11T06:00:01Z");
    let late = collect(&world.context, None).await.unwrap();
    assert_eq!((late.date, late.provenance), (LAST_FINISHED, Provenance::Reconstructed));
    let mut recorded: Vec<_> =
        world.records().await.into_iter().map(|record| (record.metric_date, record.provenance)).collect();
    recorded.dedup();
    assert_eq!(recorded[1], (january(9), Provenance::Observed));
}

async fn a_day_before_the_platforms_first_row_is_not_collected_after_the_fact(world: World) {
    let december = jiff::civil::date(2024, 12, 31);
    let refused = collect(&world.context, Some(december)).await.unwrap_err();
    assert!(matches!(refused, CollectError::BeforeFirstRow { .. }), "{refused}");
    assert!(world.runs().await.is_empty(), "a refused call is no run");
    assert!(
        message(refused).contains("is of 2025-01-01, after 2024-12-31, so there is nothing to reconstruct")
    );
    assert!(world.records().await.is_empty());
    collect(&world.context, Some(january(1))).await.unwrap();
    let report = gaps(&world.context, Some(december), None).await.unwrap();
    assert_eq!((report.from, report.missing), (january(1), 36), "gaps begin where the platform does");
    // A day that is observed was seen to have no rows.
    world.set_clock("2024-12-31T12:00:00Z");
    let observed = collect(&world.context, None).await.unwrap();
    assert_eq!((observed.date, observed.provenance), (jiff::civil::date(2024, 12, 30), Provenance::Observed));
}

async fn collect_by_schedule(world: &World, now: &str) -> DayReport {
    world.set_clock(now);
    collect_if_due(&world.context, None, &[], &CancellationToken::new()).await.unwrap()
}

async fn a_lasting_failure_is_retried_at_growing_intervals(world: World) {
    world.execute("ALTER TABLE comments RENAME TO hidden").await;
    let mut tried = Vec::new();
    for hour in 1..24 {
        let report = collect_by_schedule(&world, &format!("2025-01-12T{hour:02}:15:00Z")).await;
        assert_eq!((report.status, report.failed.len()), (RunStatus::Partial, 1), "{hour}");
        assert_eq!(report.run.is_none(), report.next_attempt.is_some());
        tried.extend(report.run.map(|_| hour));
    }
    assert_eq!(tried, [1, 2, 4, 8, 15]);
    assert_eq!(world.runs().await.len(), 5);
    let only = ["comments_created".to_owned()];
    let named = collect_if_due(&world.context, None, &only, &CancellationToken::new()).await.unwrap();
    assert!(named.run.is_some(), "a metric that is named is retried at once");
    world.execute("ALTER TABLE hidden RENAME TO comments").await;
    let report = collect_by_schedule(&world, "2025-01-12T23:30:00Z").await;
    assert_eq!((report.run, report.next_attempt), (None, Some(instant("2025-01-13T23:15:00Z"))));
    assert_eq!(
        collect(&world.context, None).await.unwrap().recorded.len(),
        1,
        "`collect_day` does not wait for the next attempt"
    );
}

async fn a_failure_while_the_clock_was_ahead_does_not_put_off_the_next_attempt(world: World) {
    world.execute("ALTER TABLE comments RENAME TO hidden").await;
    assert!(collect_by_schedule(&world, "2025-01-12T20:15:00Z").await.run.is_some());
    world.execute("ALTER TABLE hidden RENAME TO comments").await;
    let report = collect_by_schedule(&world, "2025-01-12T01:15:00Z").await;
    assert_eq!((report.status, report.recorded.len()), (RunStatus::Completed, 1));
}

async fn a_corrected_definition_is_retried_at_once(world: World) {
    let mut wanted = definitions(world.time_format());
    let comments = wanted.iter_mut().find(|metric| metric.category == "comments_created").unwrap();
    let source = comments.sources.get_mut("comments").unwrap();
    source.table = "nowhere".to_owned();
    world.apply(&wanted).await;
    assert_eq!(collect_by_schedule(&world, "2025-01-11T12:15:00Z").await.status, RunStatus::Partial);
    assert_eq!(collect_by_schedule(&world, "2025-01-11T12:20:00Z").await.run, None);
    world.apply(&definitions(world.time_format())).await;
    let corrected = collect_by_schedule(&world, "2025-01-11T12:25:00Z").await;
    assert_eq!((corrected.status, corrected.recorded.len()), (RunStatus::Completed, 1));
}

async fn metrics_that_are_not_read_by_the_deadline_fail_as_timed_out(mut world: World) {
    Arc::make_mut(&mut world.context.installation).run_limit = Some(run_limit(Duration::ZERO));
    let report = collect(&world.context, None).await.unwrap();
    assert_eq!((report.status, report.failed.len()), (RunStatus::Failed, 4));
    for failure in &report.failed {
        assert!(failure.timed_out && failure.message.contains("`collect.deadline_minutes`"), "{failure:?}");
        let hint = failure.hint.as_deref().unwrap();
        assert!(hint.contains("`collect.deadline_minutes`") && !hint.contains("statement_timeout"), "{hint}");
    }
    Arc::make_mut(&mut world.context.installation).run_limit = Some(run_limit(Duration::from_secs(3600)));
    assert_eq!(collect(&world.context, None).await.unwrap().recorded.len(), 4);
}

async fn a_preview_for_a_request_names_its_own_limit(world: World) {
    let mut context = request_preview_context(&world.context);
    let limit = Arc::make_mut(&mut context.installation).run_limit.as_mut().unwrap();
    assert_eq!(limit.to_string(), "the limit of 10 seconds (of a preview over the API)");
    limit.duration = Duration::ZERO;
    let days = PreviewDays::last(&context, 2);
    let previews = preview_definitions(&context, definitions(world.time_format()), days).await.unwrap();
    assert_eq!(previews.len(), 4);
    for preview in previews {
        let reason = preview.left_out.unwrap();
        assert!(
            reason.starts_with("not read within the limit of 0 minutes (of a preview over the API)"),
            "{reason}"
        );
        assert!(reason.contains("run `daymark preview`"), "it says what to do: {reason}");
        assert!(!reason.contains("raise"), "no setting raises this limit: {reason}");
    }
}

async fn a_record_that_the_store_refuses_fails_its_own_metric_only(world: World) {
    world.refuse_records_of("authors").await;
    let report = collect(&world.context, None).await.unwrap();
    assert_eq!((report.status, report.recorded.len(), report.failed.len()), (RunStatus::Partial, 3, 1));
    assert_eq!(report.failed[0].category, "authors");
    assert!(report.failed[0].message.contains("much too large"), "{:?}", report.failed);
    let run = world.runs().await.remove(0);
    assert_eq!((run.status, run.metrics_collected), (RunStatus::Partial, 3));
}

async fn a_date_that_the_time_zone_skipped_is_refused(mut world: World) {
    world.in_zone("Pacific/Apia");
    let refused = collect(&world.context, Some(jiff::civil::date(2011, 12, 30))).await.unwrap_err();
    assert_eq!(
        message(refused),
        "2011-12-30 does not exist in Pacific/Apia: the time zone skipped that date"
    );
}

async fn a_failing_metric_does_not_fail_the_others(world: World) {
    world.execute("ALTER TABLE comments RENAME TO hidden").await;
    let report = collect(&world.context, None).await.unwrap();
    assert_eq!((report.status, report.recorded.len()), (RunStatus::Partial, 3));
    assert_eq!(report.failed[0].category, "comments_created");
    let run = world.runs().await.remove(0);
    assert_eq!((run.status, run.metrics_collected), (RunStatus::Partial, 3));
    assert!(run.error_message.unwrap().starts_with("comments_created: "));
    let details = run.error_details.unwrap();
    assert_eq!(details["failures"][0]["metric_category"], "comments_created");
    let code = if world.is_postgres_platform() { "42P01" } else { "sqlite:1" };
    assert_eq!((&details["sqlstate"], &details["failures"][0]["sqlstate"]), (&code.into(), &code.into()));

    let failed_again = collect(&world.context, None).await.unwrap();
    let seen = (failed_again.status, failed_again.recorded.len());
    assert_eq!(seen, (RunStatus::Partial, 0), "the other metrics are recorded already");

    world.execute("ALTER TABLE hidden RENAME TO comments").await;
    let again = collect(&world.context, None).await.unwrap();
    assert_eq!((again.status, again.recorded.len(), again.already_there), (RunStatus::Completed, 1, 3));
}

/// Each of these metrics fails the run's statements that follow, once for each retry.
#[tokio::test(flavor = "multi_thread")]
async fn metrics_that_end_the_session_do_not_fail_the_others() {
    let world = World::postgres().await;
    let ending = |category: &str, number: i32| {
        let query =
            format!("SELECT pg_terminate_backend(pg_backend_pid())::int + {number} AS value /* {{day}} */");
        let measure = json!({"measure": "sql", "query": query, "shape": "value", "adds_up": "last"});
        definition(world.time_format(), category, measure)
    };
    let all = definitions(world.time_format());
    world.apply(&[all, vec![ending("ends_it", 1), ending("ends_it_too", 2)]].concat()).await;
    let report = collect(&world.context, None).await.unwrap();
    assert_eq!((report.status, report.recorded.len(), report.failed.len()), (RunStatus::Partial, 4, 2));
    for failure in &report.failed {
        assert!(failure.category.starts_with("ends_it"), "{failure:?}");
        let cause = "the platform's session ended at the statement of this metric: terminating connection";
        assert!(failure.message.starts_with(cause), "{failure:?}");
    }
    let logged = world.runs().await.remove(0).error_message.unwrap();
    assert!(logged.contains("ends_it: ") && logged.contains("ends_it_too: "), "{logged}");

    let (heard, never) = (Heard::default(), CancellationToken::new());
    let report = backfill(&world.context, &range(1, 9), &heard, &never).await.unwrap();
    assert_eq!((report.status, report.failed.len()), (Some(RunStatus::Partial), 2));
    assert_eq!(world.records().await.len(), 40);
}

async fn a_run_that_records_no_metric_has_failed(world: World) {
    world.execute("ALTER TABLE posts RENAME TO hidden").await;
    world.execute("ALTER TABLE comments RENAME TO hidden_too").await;
    let report = collect(&world.context, None).await.unwrap();
    assert_eq!((report.status, report.failed.len()), (RunStatus::Failed, 4));
    assert_eq!(world.runs().await[0].status, RunStatus::Failed);
}

async fn an_unreachable_platform_is_logged_as_a_failed_run(world: World) {
    let context = world.without_platform();
    let error = collect(&context, None).await.unwrap_err();
    assert!(matches!(error, CollectError::Platform { .. }), "{error}");
    let run = world.runs().await.remove(0);
    assert_eq!((run.status, run.metrics_collected), (RunStatus::Failed, 0));
    assert_eq!(run.error_message.unwrap(), error.to_string());
    assert!(run.error_details.unwrap().contains_key("sqlstate"));
}

async fn only_one_of_two_concurrent_collections_records(world: World) {
    let other = world.another_process();
    let (one, two) = tokio::join!(collect(&world.context, None), collect(&other, None));
    let mut written = Vec::new();
    for report in [one, two] {
        match report {
            Ok(report) => written.push(report.recorded.len()),
            Err(error) => assert!(matches!(error, CollectError::Busy { .. }), "{error}"),
        }
    }
    written.retain(|recorded| *recorded > 0);
    assert_eq!(written, [4]);
    assert_eq!(world.records().await.len(), 4);
}

fn a_run_elsewhere(kind: RunKind) -> NewRun {
    NewRun {
        id: Uuid::new_v4(),
        kind,
        from: LAST_FINISHED,
        to: LAST_FINISHED,
        started_at: instant("2025-01-11T00:15:00Z"),
        trigger: daymark::store::Trigger::Cli,
        actor: "cli:test".to_owned(),
        host: "elsewhere".to_owned(),
        process_id: 4711,
    }
}

async fn a_second_collection_names_the_process_that_holds_the_lock(world: World) {
    let other = world.another_process();
    let _lock = other.tenant.store.try_lock(&LockName::Day(LAST_FINISHED)).await.unwrap().unwrap();
    other.tenant.store.start_run(&a_run_elsewhere(RunKind::Collect)).await.unwrap();
    let busy = collect(&world.context, None).await.unwrap_err();
    assert_eq!(
        message(busy),
        "collecting 2025-01-10 is already being done by process 4711 on elsewhere since 2025-01-11 00:15 UTC; \
         try again when it has finished"
    );
    assert_eq!(world.runs().await[0].status, RunStatus::Running);
}

async fn the_next_run_closes_orphaned_runs(world: World) {
    let orphaned = [a_run_elsewhere(RunKind::Collect), a_run_elsewhere(RunKind::Backfill)];
    for run in &orphaned {
        world.context.tenant.store.start_run(run).await.unwrap();
    }
    let report = collect(&world.context, None).await.unwrap();
    assert_eq!(report.recorded.len(), 4);
    for run in &orphaned {
        let closed = world.context.tenant.store.run(run.id).await.unwrap().unwrap();
        assert_eq!(closed.status, RunStatus::Failed);
        assert_eq!(
            closed.error_message.unwrap(),
            "its process (4711 on elsewhere) ended, or lost its lock, before the run finished"
        );
    }
}

async fn a_metric_that_cannot_be_reconstructed_is_recorded_on_time_only(world: World) {
    let mut wanted = definitions(world.time_format());
    wanted.push(right_now(world.time_format()));
    world.apply(&wanted).await;
    let late = collect(&world.context, Some(january(9))).await.unwrap();
    assert_eq!((late.recorded.len(), late.left_out.len(), late.status), (4, 1, RunStatus::Completed));
    assert_eq!(late.left_out[0].key.category, "right_now");
    let on_time = collect(&world.context, None).await.unwrap();
    assert_eq!((on_time.recorded.len(), on_time.left_out.len()), (5, 0));
    assert_eq!(world.values("right_now").await, [(LAST_FINISHED, "55".to_owned())]);
}

async fn only_the_named_metrics_are_recorded(world: World) {
    let named = |name: &str| [name.to_owned()];
    let never = CancellationToken::new();
    let report = collect_day(&world.context, None, &named("posts_total"), &never).await.unwrap();
    assert_eq!((report.recorded.len(), world.records().await.len()), (1, 1));
    let unknown = collect_day(&world.context, None, &named("post_total"), &never).await.unwrap_err();
    assert_eq!(message(unknown), "no active metric is called `post_total`; did you mean `posts_total`?");
}

async fn a_cancelled_run_is_logged_as_failed(world: World) {
    let cancellation = CancellationToken::new();
    cancellation.cancel();
    let stopped = collect_day(&world.context, None, &[], &cancellation).await.unwrap_err();
    assert!(matches!(stopped, CollectError::Interrupted { .. }), "{stopped}");
    let run = world.runs().await.remove(0);
    assert_eq!((run.status, world.records().await.len()), (RunStatus::Failed, 0));
    assert_eq!(
        run.error_message.unwrap(),
        "interrupted: nothing of 2025-01-10 was recorded by this run; run it again"
    );
}
