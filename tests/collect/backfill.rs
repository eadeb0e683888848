//! Backfilling a range of days.

use std::collections::BTreeSet;

use daymark::{
    collect::{
        BackfillReport, BackfillRequest, CancellationToken, CollectError, Progress, backfill, collect_day,
        gaps,
    },
    metric::{Definition, MetricType, Provenance},
    store::{NewRun, RunKind, RunStatus},
};
use jiff::ToSpan;
use serde_json::json;
use uuid::Uuid;

use crate::{
    on,
    world::{Heard, LAST_FINISHED, World, definition, definitions, january, message, range, right_now},
};

on! { [sqlite_store_of_postgres, postgres_store_of_sqlite]
    a_backfill_reads_the_range_once_and_commits_in_chunks,
}

on! { [sqlite, postgres]
    a_backfill_reads_the_range_once_and_commits_in_chunks,
    a_dry_run_writes_nothing,
    an_observed_day_is_never_replaced,
    an_interrupted_backfill_keeps_its_chunks_and_the_next_one_continues,
    an_orphaned_backfill_is_closed_with_the_number_of_its_records,
    the_range_starts_with_the_earliest_row_of_any_source,
    a_first_row_more_than_ten_years_ago_needs_an_explicit_range,
    a_platform_without_rows_has_no_first_day,
    an_unfinished_or_empty_range_is_refused,
    a_backfill_begins_with_the_first_row_by_default,
    sql_metrics_alone_need_an_explicit_first_day,
    a_backfill_of_a_recorded_range_logs_no_run,
    many_unreadable_days_fail_without_the_others,
    a_record_that_the_store_refuses_fails_its_own_metric_only,
    a_metric_that_fails_is_reported_for_the_range,
    an_unreadable_value_fails_its_own_day_only,
    a_blob_value_fails_its_own_day_only,
    a_metric_without_a_readable_day_fails_once,
    a_metric_that_cannot_be_reconstructed_is_left_out_of_a_backfill,
    a_backfill_of_a_new_metric_leaves_the_others_unchanged,
}

async fn fill(world: &World, request: &BackfillRequest) -> Result<BackfillReport, CollectError> {
    backfill(&world.context, request, &Heard::default(), &CancellationToken::new()).await
}

async fn a_backfill_reads_the_range_once_and_commits_in_chunks(world: World) {
    let heard = Heard::default();
    let report = backfill(&world.context, &BackfillRequest::default(), &heard, &CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(
        heard.0.into_inner().unwrap(),
        ["reading 4 metrics over 10 days", "started 10", "advanced 4", "advanced 4", "advanced 2"]
    );
    assert_eq!(
        (report.from, report.to, report.days, report.missing_days),
        (january(1), LAST_FINISHED, 10, 10)
    );
    assert!(
        report.metrics.iter().all(|count| (count.missing, count.written, count.already_there) == (10, 10, 0))
    );
    assert_eq!(
        (report.status, report.discrepancies, report.failed.len()),
        (Some(RunStatus::Completed), vec![], 0)
    );
    let totals: Vec<_> =
        (1..=10).map(|day| (january(day), (day as i64 * (day as i64 + 1) / 2).to_string())).collect();
    assert_eq!(world.values("posts_total").await, totals);
    for record in world.records().await {
        assert_eq!(record.provenance, Provenance::Reconstructed, "{}", record.metric_date);
    }

    let before = world.records().await;
    let again = fill(&world, &BackfillRequest::default()).await.unwrap();
    assert!(
        again.metrics.iter().all(|count| (count.missing, count.written, count.already_there) == (0, 0, 10))
    );
    assert_eq!(world.records().await, before);
}

async fn a_dry_run_writes_nothing(world: World) {
    collect_day(&world.context, None, &[], &CancellationToken::new()).await.unwrap();
    let request = BackfillRequest { dry_run: true, ..BackfillRequest::default() };
    let report = fill(&world, &request).await.unwrap();
    assert_eq!((report.run, report.status, report.missing_days), (None, None, 9));
    assert!(
        report.metrics.iter().all(|count| (count.missing, count.written, count.already_there) == (9, 0, 1))
    );
    assert_eq!((world.records().await.len(), world.runs().await.len()), (4, 1));
}

async fn an_observed_day_is_never_replaced(world: World) {
    collect_day(&world.context, None, &[], &CancellationToken::new()).await.unwrap();
    let observed = world.records().await;
    world.execute("DELETE FROM posts WHERE created_at < '2025-01-04'").await;
    let report = fill(&world, &BackfillRequest::default()).await.unwrap();
    let kept: Vec<_> =
        world.records().await.into_iter().filter(|record| record.metric_date == LAST_FINISHED).collect();
    assert_eq!(kept, observed);
    assert_eq!(world.values("posts_total").await[8], (january(9), "39".to_owned()));
    let discrepancies: Vec<_> = report.discrepancies.iter().map(ToString::to_string).collect();
    assert_eq!(
        discrepancies,
        ["posts_total: rows deleted between the readings of 2025-01-10 and the day before: 6"]
    );
    assert_eq!(
        report.cannot_know[0],
        "Rows that were deleted from `comments`, `posts` are missing in every reconstructed day."
    );
}

/// Cancels the run as soon as the first chunk is committed.
struct StopAfterOne(CancellationToken);

impl Progress for StopAfterOne {
    fn reading(&self, _metrics: usize, _days: usize) {}
    fn started(&self, _total_days: usize) {}
    fn advanced(&self, _days: usize) {
        self.0.cancel();
    }
}

async fn an_interrupted_backfill_keeps_its_chunks_and_the_next_one_continues(world: World) {
    let cancellation = CancellationToken::new();
    let progress = StopAfterOne(cancellation.clone());
    let stopped =
        backfill(&world.context, &BackfillRequest::default(), &progress, &cancellation).await.unwrap_err();
    assert_eq!(
        message(stopped),
        "interrupted: 4 of 10 days are recorded and stay; run it again to record the rest"
    );
    let run = world.runs().await.remove(0);
    assert_eq!((run.status, run.metrics_collected), (RunStatus::Failed, 16));
    let first_chunk = world.records().await;
    assert_eq!(first_chunk.len(), 16);

    let rest = fill(&world, &BackfillRequest::default()).await.unwrap();
    assert!(
        rest.metrics.iter().all(|count| (count.missing, count.written, count.already_there) == (6, 6, 4))
    );
    let all = world.records().await;
    assert_eq!((all.len(), &all[..16]), (40, &first_chunk[..]));
    assert_eq!(rest.discrepancies, []);
}

async fn an_orphaned_backfill_is_closed_with_the_number_of_its_records(world: World) {
    let report = fill(&world, &range(1, 3)).await.unwrap();
    let mut record = world.records().await.remove(0);
    let orphaned = NewRun {
        id: Uuid::new_v4(),
        kind: RunKind::Backfill,
        from: january(1),
        to: january(9),
        started_at: record.collection_timestamp,
        trigger: daymark::store::Trigger::Cli,
        actor: "cli:test".to_owned(),
        host: "elsewhere".to_owned(),
        process_id: 4711,
    };
    world.context.tenant.store.start_run(&orphaned).await.unwrap();
    (record.metric_date, record.collection_id) = (january(6), orphaned.id);
    world.context.tenant.store.commit(&[record], None).await.unwrap();
    fill(&world, &BackfillRequest::default()).await.unwrap();
    let closed = world.context.tenant.store.run(orphaned.id).await.unwrap().unwrap();
    assert_eq!((closed.status, closed.metrics_collected), (RunStatus::Failed, 1));
    let done = world.context.tenant.store.run(report.run.unwrap()).await.unwrap().unwrap();
    assert_eq!((done.status, done.metrics_collected), (RunStatus::Completed, 12));
}

async fn the_range_starts_with_the_earliest_row_of_any_source(world: World) {
    world.execute("INSERT INTO comments VALUES (3, '2024-12-25 08:00:00', NULL)").await;
    let report =
        fill(&world, &BackfillRequest { dry_run: true, ..BackfillRequest::default() }).await.unwrap();
    assert_eq!((report.from, report.days), (jiff::civil::date(2024, 12, 25), 17));
}

/// Without this refusal, a source whose server returns before its rows are read would lack the days before the first row of the
/// other sources.
#[tokio::test]
async fn an_unreachable_source_fails_the_search_for_the_first_day() {
    let world = World::sqlite_store_of_postgres().await;
    world
        .execute(
            "ALTER TABLE comments RENAME TO hidden;
             CREATE FUNCTION is_there() RETURNS boolean LANGUAGE plpgsql AS $$
                 BEGIN RAISE 'could not connect to server \"far\"' USING ERRCODE = '08001'; END $$;
             CREATE VIEW comments AS SELECT * FROM hidden WHERE is_there()",
        )
        .await;
    let refused = message(fill(&world, &BackfillRequest::default()).await.unwrap_err());
    assert!(refused.contains("could not connect to server"), "{refused}");
    assert!(world.runs().await.is_empty() && world.records().await.is_empty());
    let report = fill(&world, &range(1, 10)).await.unwrap();
    assert_eq!((report.status, report.failed.len()), (Some(RunStatus::Partial), 1));
}

async fn a_first_row_more_than_ten_years_ago_needs_an_explicit_range(world: World) {
    world.execute("INSERT INTO comments VALUES (3, '1970-01-01 00:00:00', NULL)").await;
    let refused = message(fill(&world, &BackfillRequest::default()).await.unwrap_err());
    assert!(refused.contains("source `comments` is of 1970-01-01, which makes 20099 days"), "{refused}");
    let asked =
        "20099 days (more than 3660): is that time right? Give the first day that you want with `--from`";
    assert!(refused.to_string().contains(asked), "{refused}");
    assert!(world.runs().await.is_empty());
    assert_eq!(fill(&world, &range(9, 10)).await.unwrap().missing_days, 2);
}

async fn a_platform_without_rows_has_no_first_day(world: World) {
    world.execute("DELETE FROM posts").await;
    world.execute("DELETE FROM comments").await;
    assert!(matches!(fill(&world, &BackfillRequest::default()).await, Err(CollectError::NoRows)));
}

async fn a_backfill_begins_with_the_first_row_by_default(world: World) {
    let december = jiff::civil::date(2024, 12, 25);
    let from_december = BackfillRequest { from: Some(december), ..range(1, 3) };
    let report = fill(&world, &from_december).await.unwrap();
    let first = report.clipped_to.unwrap();
    assert_eq!((report.from, first.date, report.days), (january(1), january(1), 3));
    assert_eq!(world.records().await.len(), 12, "the days before the first row are not recorded as zeros");
    let earlier = BackfillRequest { to: Some(jiff::civil::date(2024, 12, 31)), ..from_december.clone() };
    let refused = fill(&world, &earlier).await.unwrap_err();
    assert!(matches!(refused, CollectError::BeforeFirstRow { .. }), "{refused}");
    let zeros = BackfillRequest { before_first_row: true, ..from_december };
    assert_eq!(fill(&world, &zeros).await.unwrap().missing_days, 7);
    assert_eq!(world.values("posts_total").await[0], (december, "0".to_owned()));
}

async fn sql_metrics_alone_need_an_explicit_first_day(world: World) {
    let query = "SELECT 1 AS value WHERE {day} IS NOT NULL";
    let measure = json!({"measure": "sql", "query": query, "shape": "value", "adds_up": "last"});
    world.apply(&[definition(world.time_format(), "own", measure)]).await;
    let refused = message(fill(&world, &BackfillRequest::default()).await.unwrap_err());
    assert!(refused.contains("`sql` queries") && refused.contains("`--from`"), "{refused}");
    assert_eq!(fill(&world, &range(1, 10)).await.unwrap().missing_days, 10);
}

async fn a_backfill_of_a_recorded_range_logs_no_run(world: World) {
    fill(&world, &range(1, 3)).await.unwrap();
    let again = fill(&world, &range(1, 3)).await.unwrap();
    assert_eq!((again.run, again.status), (None, Some(RunStatus::Completed)));
    assert_eq!(world.runs().await.len(), 1);
}

async fn many_unreadable_days_fail_without_the_others(world: World) {
    // There are 92 further days with a post each, and the score of every third of them cannot be read.
    let days = jiff::civil::date(2024, 10, 1).series(1.day()).take(92);
    let rows: Vec<_> = days.map(|date| format!("(1, '{date} 12:00:00', 'jazz')")).collect();
    world
        .execute(&format!("INSERT INTO posts (author_id, created_at, genre) VALUES {}", rows.join(", ")))
        .await;
    let third = match world.is_postgres_platform() {
        true => "created_at < '2025-01-01' AND extract(doy FROM created_at)::int % 3 = 0",
        false => "created_at < '2025-01-01' AND strftime('%j', created_at) % 3 = 0",
    };
    with_scores(&world, third).await;
    let report = fill(&world, &BackfillRequest::default()).await.unwrap();
    let score = |report: &BackfillReport| {
        let count = report.metrics.iter().find(|count| count.key.category == "score").unwrap();
        (count.missing, count.written)
    };
    assert_eq!(score(&report), (102, 71));
    assert_eq!(report.failed[0].days.len(), 31);
    assert!(report.failed[0].message.ends_with(" (31 days)"), "{}", report.failed[0].message);
    // A second backfill reads only the days that failed, each by itself.
    let again = fill(&world, &BackfillRequest::default()).await.unwrap();
    assert_eq!((score(&again), again.failed[0].days.len()), ((31, 0), 31));
    let report = gaps(&world.context, None, None).await.unwrap();
    assert_eq!((report.missing, report.fill_with.len()), (31, 0));
    let retry = "daymark backfill --from 2024-10-02 --to 2024-12-31 --metric score";
    assert_eq!(report.retry_with, [retry]);
    world.execute("UPDATE posts SET score = 1").await;
    assert_eq!(score(&fill(&world, &BackfillRequest::default()).await.unwrap()), (31, 31));
}

async fn a_record_that_the_store_refuses_fails_its_own_metric_only(world: World) {
    world.refuse_records_of("authors").await;
    let report = fill(&world, &range(1, 10)).await.unwrap();
    assert_eq!((report.status, report.failed.len()), (Some(RunStatus::Partial), 1));
    assert!(report.failed[0].summary().starts_with("authors: "), "{:?}", report.failed);
    assert_eq!((world.records().await.len(), report.discrepancies), (30, vec![]));
}

async fn an_unfinished_or_empty_range_is_refused(world: World) {
    assert!(matches!(fill(&world, &range(9, 11)).await, Err(CollectError::Unfinished { .. })));
    assert_eq!(
        message(fill(&world, &range(9, 8)).await.unwrap_err()),
        "the range is empty: 2025-01-09 is after 2025-01-08"
    );
}

async fn a_metric_that_fails_is_reported_for_the_range(world: World) {
    world.execute("ALTER TABLE comments RENAME TO hidden").await;
    let report = fill(&world, &range(1, 10)).await.unwrap();
    assert_eq!(report.status, Some(RunStatus::Partial));
    assert_eq!(report.failed.len(), 1);
    assert!(report.failed[0].message.ends_with("(10 days)"), "{}", report.failed[0].message);
    assert_eq!((world.records().await.len(), report.discrepancies), (30, vec![]));
    let again = fill(&world, &range(1, 10)).await.unwrap();
    assert_eq!(
        (again.status, again.failed.len()),
        (Some(RunStatus::Partial), 1),
        "the other metrics are recorded already"
    );
    let only = BackfillRequest { only: vec!["comments_created".to_owned()], ..range(1, 10) };
    assert_eq!(
        fill(&world, &only).await.unwrap().status,
        Some(RunStatus::Failed),
        "no record of the metric was made"
    );
}

/// Adds a metric for the mean score of the posts. The score is infinite where `unreadable` holds, and 1 elsewhere.
async fn with_scores(world: &World, unreadable: &str) {
    let infinite = if world.is_postgres_platform() { "'Infinity'::float8" } else { "9e999" };
    world.execute("ALTER TABLE posts ADD COLUMN score double precision").await;
    world
        .execute(&format!("UPDATE posts SET score = CASE WHEN {unreadable} THEN {infinite} ELSE 1 END"))
        .await;
    let measure = json!({"measure": "average", "rows": {"source": "posts"}, "column": "score"});
    let score = definition(world.time_format(), "score", measure);
    let mut wanted = definitions(world.time_format());
    wanted.push(Definition { metric_type: MetricType::Average, ..score });
    world.apply(&wanted).await;
}

async fn an_unreadable_value_fails_its_own_day_only(world: World) {
    let on =
        |day: i8| format!("(created_at >= '2025-01-{day:02}' AND created_at < '2025-01-{:02}')", day + 1);
    with_scores(&world, &format!("{} OR {}", on(3), on(8))).await;
    let report = fill(&world, &BackfillRequest::default()).await.unwrap();
    assert_eq!((report.status, report.discrepancies), (Some(RunStatus::Partial), vec![]));
    let failed: Vec<_> = report.failed.iter().map(daymark::collect::Failure::summary).collect();
    assert!(failed[0].starts_with("score: 2025-01-03: `Infinity` is not a finite"), "{failed:?}");
    assert!(failed.len() == 1 && failed[0].ends_with(" (2 days)"), "{failed:?}");
    let days: Vec<_> = world.values("score").await;
    let read = [1, 2, 4, 5, 6, 7, 9, 10].map(|day| (january(day), "1".to_owned()));
    assert_eq!((days, world.records().await.len()), (read.to_vec(), 48));
    let gaps = gaps(&world.context, None, None).await.unwrap().gaps;
    let gaps: Vec<_> = gaps.iter().map(|gap| (gap.first, gap.days, gap.cause.name())).collect();
    assert_eq!(gaps, [(january(3), 1, "failed"), (january(8), 1, "failed")]);
}

/// A label may be a BLOB. A value may not.
async fn a_blob_value_fails_its_own_day_only(world: World) {
    let (blob, label, text) = match world.is_postgres_platform() {
        true => ("'\\x00ff'::bytea", "'a'::bytea", "::text"),
        false => ("x'00ff'", "'a'", ""),
    };
    let on = |day: i8, then: &str, otherwise: &str| {
        format!("CASE WHEN {{day}} = '2025-01-{day:02}' THEN {then}{text} ELSE {otherwise}{text} END")
    };
    let labels = format!("SELECT {} AS label, 1 AS value", on(3, blob, label));
    let values = format!("SELECT {} AS value", on(4, blob, "2"));
    let sql = |query: String, shape: serde_json::Value, category: &str| {
        let measure = json!({"measure": "sql", "query": query, "shape": shape, "adds_up": "never"});
        Definition {
            metric_type: MetricType::Aggregate,
            ..definition(world.time_format(), category, measure)
        }
    };
    let mut wanted = definitions(world.time_format());
    wanted.push(sql(labels, json!({"labels": {"top": 9}}), "by_label"));
    wanted.push(sql(values, json!("value"), "of_value"));
    world.apply(&wanted).await;
    let report = fill(&world, &range(1, 10)).await.unwrap();
    assert_eq!((report.status, report.failed.len()), (Some(RunStatus::Partial), 1), "{:?}", report.failed);
    let failed = report.failed[0].summary();
    assert!(failed.starts_with("of_value: 2025-01-04: "), "{failed}");
    assert_eq!(world.values("by_label").await.len(), 10);
    let days: Vec<_> = world.values("of_value").await.into_iter().map(|(day, _)| day.day()).collect();
    assert_eq!((days, world.records().await.len()), (vec![1, 2, 3, 5, 6, 7, 8, 9, 10], 40 + 10 + 9));
}

async fn a_metric_without_a_readable_day_fails_once(world: World) {
    with_scores(&world, "TRUE").await;
    let report = fill(&world, &BackfillRequest::default()).await.unwrap();
    assert_eq!((report.status, report.failed.len()), (Some(RunStatus::Partial), 1));
    assert!(report.failed[0].message.ends_with(" (10 days)"), "{}", report.failed[0].message);
    assert_eq!(world.records().await.len(), 40);
}

async fn a_metric_that_cannot_be_reconstructed_is_left_out_of_a_backfill(world: World) {
    let mut wanted = definitions(world.time_format());
    wanted.push(right_now(world.time_format()));
    world.apply(&wanted).await;
    let report = fill(&world, &range(1, 10)).await.unwrap();
    let left_out: Vec<_> = report.left_out.iter().map(|left_out| left_out.key.category.as_str()).collect();
    assert_eq!((left_out, world.records().await.len()), (vec!["right_now"], 40));
}

async fn a_backfill_of_a_new_metric_leaves_the_others_unchanged(world: World) {
    fill(&world, &range(1, 10)).await.unwrap();
    let before: BTreeSet<_> = world.records().await.iter().map(|record| record.collection_id).collect();
    let mut wanted = definitions(world.time_format());
    let mut comments_total = wanted[2].clone();
    comments_total.category = "comments_total".to_owned();
    let rows = match comments_total.measure {
        daymark::metric::Measure::Created(rows) => rows,
        other => panic!("{other:?}"),
    };
    comments_total.measure = daymark::metric::Measure::Existing(rows);
    wanted.push(comments_total);
    world.apply(&wanted).await;
    let report = fill(&world, &range(1, 10)).await.unwrap();
    let written: Vec<_> = report
        .metrics
        .iter()
        .filter(|count| count.written > 0)
        .map(|count| count.key.category.as_str())
        .collect();
    assert_eq!((written, report.discrepancies), (vec!["comments_total"], vec![]));
    let after = world.records().await;
    assert_eq!(after.iter().filter(|record| before.contains(&record.collection_id)).count(), 40);
}
