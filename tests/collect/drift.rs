//! `drift`: records beside a recount of the platform's present rows.

use daymark::{
    collect::{CancellationToken, CollectError, DriftReport, DriftRequest, MetricDrift, backfill, drift},
    corrections::{self, CorrectionRequest, RequestedChange, RequestedCorrection},
};

use crate::{
    on,
    world::{Heard, World, definition, definitions, january, range, right_now},
};

on! { [sqlite, postgres]
    rows_deleted_since_and_rows_that_arrived_late_are_distinguished,
    records_of_an_earlier_version_are_not_compared,
    a_metric_that_cannot_be_read_leaves_the_others_compared,
    a_range_is_bounded_and_finished,
    corrected_days_are_compared_by_the_value_in_force,
}

async fn compared(world: &World, from: i8, to: i8) -> DriftReport {
    let request =
        DriftRequest { from: Some(january(from)), to: Some(january(to)), ..DriftRequest::default() };
    drift(&world.context, &request, &CancellationToken::new()).await.unwrap()
}

/// The days on which a metric has changed, with the difference.
fn changed(metric: &MetricDrift) -> Vec<String> {
    metric.changed().map(|day| format!("{} {}", day.date.day(), day.difference())).collect()
}

fn of<'a>(report: &'a DriftReport, category: &str) -> &'a MetricDrift {
    report.metrics.iter().find(|metric| metric.key.category == category).unwrap()
}

async fn rows_deleted_since_and_rows_that_arrived_late_are_distinguished(world: World) {
    backfill(&world.context, &range(1, 10), &Heard::default(), &CancellationToken::new()).await.unwrap();
    let (before, runs) = (world.records().await, world.runs().await.len());
    let report = compared(&world, 1, 10).await;
    assert_eq!(report.metrics.iter().map(|metric| metric.days.len()).sum::<usize>(), 40);
    assert!(report.metrics.iter().all(|metric| metric.changed().next().is_none()), "{report:?}");

    // Author 2 has 1 post on days 2 and 3, 2 on days 4 and 5, and so on.
    world.execute("DELETE FROM posts WHERE author_id = 2 AND created_at < '2025-01-04'").await;
    world.execute("INSERT INTO posts VALUES (1, '2025-01-09 12:00:00', 'jazz')").await;
    let report = compared(&world, 2, 10).await;
    assert_eq!(changed(of(&report, "posts_created")), ["2 -1", "3 -1", "9 1"]);
    assert_eq!(
        changed(of(&report, "posts_total")),
        ["2 -1", "3 -2", "4 -2", "5 -2", "6 -2", "7 -2", "8 -2", "9 -1", "10 -1"]
    );
    assert_eq!(of(&report, "posts_total").largest().unwrap().date, january(3));
    assert_eq!(changed(of(&report, "authors")), ["2 -1", "3 -1"]);
    assert!(changed(of(&report, "comments_created")).is_empty());
    assert_eq!((world.records().await, world.runs().await.len()), (before, runs), "nothing is written");
}

async fn records_of_an_earlier_version_are_not_compared(world: World) {
    backfill(&world.context, &range(1, 5), &Heard::default(), &CancellationToken::new()).await.unwrap();
    let mut wanted = definitions(world.time_format());
    let changed_measure = serde_json::json!({"measure": "existing", "source": "posts"});
    wanted[1] = definition(world.time_format(), "posts_created", changed_measure);
    wanted.push(right_now(world.time_format()));
    world.apply(&wanted).await;
    let report = compared(&world, 1, 10).await;
    let posts = of(&report, "posts_created");
    assert_eq!((posts.days.len(), posts.not_compared), (0, 5));
    assert_eq!(of(&report, "posts_total").days.len(), 5, "days without a record are not compared");
    assert_eq!(report.left_out.len(), 1, "the present rows cannot say what `right_now` was");
}

async fn a_metric_that_cannot_be_read_leaves_the_others_compared(world: World) {
    backfill(&world.context, &range(1, 10), &Heard::default(), &CancellationToken::new()).await.unwrap();
    world.execute("ALTER TABLE comments RENAME TO hidden").await;
    let report = compared(&world, 1, 10).await;
    let failed: Vec<_> = report.failed.iter().map(|failure| failure.category.as_str()).collect();
    assert_eq!(failed, ["comments_created"]);
    assert_eq!(report.metrics.len(), 3);
}

async fn corrected_days_are_compared_by_the_value_in_force(world: World) {
    backfill(&world.context, &range(1, 10), &Heard::default(), &CancellationToken::new()).await.unwrap();
    let correction = RequestedCorrection {
        category: "posts_created".to_owned(),
        metric_type: None,
        date: january(5),
        change: RequestedChange::Value { value: 8.into(), metadata: None },
        after_revision: None,
    };
    let request = CorrectionRequest { reason: "known".to_owned(), corrections: vec![correction] };
    let planned = corrections::plan(&world.context, request).await.unwrap();
    corrections::write(&world.context, planned).await.unwrap();
    let report = compared(&world, 1, 10).await;
    let changed: Vec<_> = of(&report, "posts_created").changed().collect();
    let [day] = changed.as_slice() else { panic!("{changed:?}") };
    assert_eq!(
        (&day.recorded, &day.in_force, &day.recounted, day.difference()),
        (&5.into(), &8.into(), &5.into(), (-3).into())
    );
}

async fn a_range_is_bounded_and_finished(world: World) {
    let of = async |from, to| {
        let request = DriftRequest { from: Some(from), to: Some(to), ..DriftRequest::default() };
        drift(&world.context, &request, &CancellationToken::new()).await.unwrap_err()
    };
    let error = of(january(5), january(4)).await;
    assert!(matches!(error, CollectError::EmptyRange { .. }), "{error}");
    let error = of(january(5), january(11)).await;
    assert!(matches!(error, CollectError::Unfinished { .. }), "{error}");
    // Four metrics and 125 years are some 183,000 values; five metrics are more than may be compared.
    let mut wanted = definitions(world.time_format());
    let all = serde_json::json!({"measure": "existing", "source": "comments"});
    wanted.push(definition(world.time_format(), "comments_total", all));
    world.apply(&wanted).await;
    let error = of(jiff::civil::date(1900, 1, 1), january(10)).await;
    assert!(matches!(error, CollectError::TooManyValues { .. }), "{error}");
}
