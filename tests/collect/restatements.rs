//! Restatements: in chunks, beside other restatements and beside corrections by hand.

use std::{collections::BTreeMap, sync::Arc};

use daymark::{
    collect::{CancellationToken, CollectError, Context, backfill},
    corrections::{
        CorrectionError, CorrectionRequest, RequestedChange, RequestedCorrection, RestateError,
        RestateReading, RestateRequest, Restatement, plan, write,
    },
    metric::Decimal,
    store::{LockName, Revision, RevisionBasis, RevisionFilter},
};
use jiff::civil::Date;
use serde_json::json;

use crate::{
    on,
    world::{Heard, World, definition, definitions, january, range},
};

on! { [sqlite, postgres]
    days_are_compared_and_written_in_chunks,
    a_correction_between_the_comparison_and_the_write_is_kept,
    a_correction_planned_before_a_restatement_is_refused,
    one_restatement_runs_at_a_time,
    restatements_and_corrections_at_once_write_no_day_twice,
    a_cancelled_restatement_continues,
    a_restatement_is_not_replaced_by_one_of_fewer_rows,
    a_restatement_that_was_taken_back_is_not_made_again,
    days_of_another_kind_are_restated_even_if_they_agree,
}

/// Ten recorded days, on the nth of which n posts were created, and a definition since that counts their authors: 1 on the first day,
/// and 2 on the others.
async fn redefined(world: &World) {
    backfill(&world.context, &range(1, 10), &Heard::default(), &CancellationToken::new()).await.unwrap();
    let format = world.time_format();
    let mut wanted = definitions(format);
    let authors = json!({"measure": "distinct_actors", "rows": [{"source": "posts"}], "window_days": 1});
    wanted[1] = definition(format, "posts_created", authors);
    world.apply(&wanted).await;
}

/// Applies another measure for `posts_created`.
async fn define(world: &World, measure: serde_json::Value) {
    let mut wanted = definitions(world.time_format());
    wanted[1] = definition(world.time_format(), "posts_created", measure);
    world.apply(&wanted).await;
}

fn request() -> RestateRequest {
    RestateRequest { category: "posts_created".to_owned(), from: None, to: None, accept_loss: false }
}

async fn read(context: &Context) -> Result<RestateReading, RestateError> {
    RestateReading::read(context, &request(), &Heard::default(), &CancellationToken::new()).await
}

async fn restate(context: &Context) -> Result<Restatement, RestateError> {
    let reading = read(context).await?;
    reading.write(context, "authors count", &Heard::default(), &CancellationToken::new()).await
}

fn to(day: Date, value: i64) -> CorrectionRequest {
    let change = RequestedChange::Value { value: Decimal::from(value), metadata: None };
    let correction = RequestedCorrection {
        category: "posts_created".to_owned(),
        metric_type: None,
        date: day,
        change,
        after_revision: None,
    };
    CorrectionRequest { reason: "known".to_owned(), corrections: vec![correction] }
}

async fn correct(context: &Context, day: Date, value: i64) -> Result<Vec<Revision>, CorrectionError> {
    let planned = plan(context, to(day, value)).await.unwrap();
    write(context, planned).await
}

/// All revisions by day, in the order of their numbers.
async fn revisions(world: &World) -> BTreeMap<Date, Vec<Revision>> {
    let filter = RevisionFilter { limit: 10_000, ..RevisionFilter::default() };
    let mut by_day: BTreeMap<Date, Vec<Revision>> = BTreeMap::new();
    for revision in world.context.tenant.store.revisions(&filter).await.unwrap() {
        by_day.entry(revision.date).or_default().push(revision);
    }
    by_day.values_mut().for_each(|revisions| revisions.sort_by_key(|revision| revision.revision));
    by_day
}

async fn days_are_compared_and_written_in_chunks(world: World) {
    redefined(&world).await;
    let reading = read(&world.context).await.unwrap();
    let planned = reading.compare(&world.context, &CancellationToken::new()).await.unwrap();
    assert_eq!((planned.changes.len(), planned.unchanged, planned.is_complete), (8, 2, true));
    assert_eq!(planned.largest()[0].date, january(10));
    assert!(revisions(&world).await.is_empty());
    let heard = Heard::default();
    let done =
        reading.write(&world.context, "authors count", &heard, &CancellationToken::new()).await.unwrap();
    assert_eq!((done.changes, done.unchanged), (planned.changes, 2));
    // The installation commits four days at once.
    assert_eq!(heard.0.into_inner().unwrap(), ["started 10", "advanced 4", "advanced 4", "advanced 2"]);
    let written = revisions(&world).await;
    assert_eq!(written.keys().copied().collect::<Vec<_>>(), (3..=10).map(january).collect::<Vec<_>>());
    let batches: std::collections::BTreeSet<_> = written.values().map(|of_day| of_day[0].batch_id).collect();
    assert_eq!(batches.len(), 3, "each chunk is a transaction");
    drop(reading);
    let again = restate(&world.context).await.unwrap();
    assert_eq!((again.changes.len(), again.unchanged), (0, 10), "the days agree now");
}

async fn a_correction_between_the_comparison_and_the_write_is_kept(world: World) {
    redefined(&world).await;
    let reading = read(&world.context).await.unwrap();
    reading.compare(&world.context, &CancellationToken::new()).await.unwrap();
    correct(&world.context, january(5), 77).await.unwrap();
    let done =
        reading.write(&world.context, "why", &Heard::default(), &CancellationToken::new()).await.unwrap();
    assert_eq!((done.changes.len(), done.by_hand), (7, 1));
    let of_day = &revisions(&world).await[&january(5)];
    assert_eq!((of_day.len(), of_day[0].basis), (1, RevisionBasis::MANUAL));
}

async fn a_correction_planned_before_a_restatement_is_refused(world: World) {
    redefined(&world).await;
    let planned = plan(&world.context, to(january(5), 77)).await.unwrap();
    restate(&world.context).await.unwrap();
    let refused = write(&world.context, planned).await.unwrap_err();
    assert!(matches!(refused, CorrectionError::Outdated(_)), "{refused}");
    assert!(refused.to_string().contains("another correction of the same day came first"), "{refused}");
    // Planned again, it has seen the restated value.
    let planned = plan(&world.context, to(january(5), 77)).await.unwrap();
    assert_eq!(planned.changes[0].before, Some(Decimal::from(2)));
    assert_eq!(write(&world.context, planned).await.unwrap()[0].revision, 2);
}

async fn one_restatement_runs_at_a_time(world: World) {
    redefined(&world).await;
    let other = world.another_process();
    let reading = read(&other).await.unwrap();
    let Err(RestateError::Collect(busy)) = read(&world.context).await else {
        panic!("a second restatement began");
    };
    assert!(matches!(busy, CollectError::Busy { .. }), "{busy}");
    assert!(busy.to_string().contains("a restatement is already being done by"), "{busy}");
    drop(reading);
    assert_eq!(restate(&world.context).await.unwrap().changes.len(), 8);
    let lock = other.tenant.store.try_lock(&LockName::Restate).await.unwrap();
    assert!(lock.is_some(), "the lock ends with the reading");
}

/// Two restatements begin at once, while every day is corrected by hand.
async fn restatements_and_corrections_at_once_write_no_day_twice(world: World) {
    redefined(&world).await;
    let other = world.another_process();
    let mut corrections = tokio::task::JoinSet::new();
    let context = Arc::new(world.context.clone());
    for day in 1..=10 {
        let context = Arc::clone(&context);
        corrections.spawn(async move {
            // A conflict means that the day was restated after it was looked at.
            while let Err(error) = correct(&context, january(day), 70).await {
                assert!(matches!(error, CorrectionError::Outdated(_)), "{error}");
            }
        });
    }
    let (one, two) = tokio::join!(restate(&world.context), restate(&other));
    corrections.join_all().await;
    for outcome in [one, two] {
        if let Err(error) = outcome {
            assert!(matches!(error, RestateError::Collect(CollectError::Busy { .. })), "{error}");
        }
    }
    let written = revisions(&world).await;
    assert_eq!(written.len(), 10);
    for (date, of_day) in written {
        let by_hand = of_day.iter().filter(|revision| is_by_hand(revision)).count();
        assert_eq!(by_hand, 1, "{date} was corrected once");
        assert!(of_day.len() <= 2, "{date} was restated twice: {of_day:?}");
        let last = of_day.last().unwrap();
        assert!(is_by_hand(last), "{date}: a correction by hand was restated");
    }
    drop(restate(&world.context).await.unwrap());
    assert!(revisions(&world).await.values().all(|of_day| of_day.len() <= 2), "they are left as they are");
}

async fn a_cancelled_restatement_continues(world: World) {
    redefined(&world).await;
    let reading = read(&world.context).await.unwrap();
    let cancel = CancellationToken::new();
    let stop = StopAfterFirst(cancel.clone());
    let stopped = reading.write(&world.context, "why", &stop, &cancel).await.unwrap();
    assert_eq!((stopped.changes.len(), stopped.is_complete), (2, false), "the first chunk is days 1 to 4");
    drop(reading);
    assert_eq!(restate(&world.context).await.unwrap().changes.len(), 6);
    assert!(revisions(&world).await.values().all(|of_day| of_day.len() == 1));
    let wrong = read(&world.context).await.unwrap();
    let refused = wrong.write(&world.context, " ", &Heard::default(), &CancellationToken::new()).await;
    assert!(matches!(refused, Err(RestateError::Correction(CorrectionError::Reason))));
}

async fn a_restatement_is_not_replaced_by_one_of_fewer_rows(world: World) {
    // The records are of authors, of which the tenth day has two, and the restatement is of posts.
    define(&world, json!({"measure": "distinct_actors", "rows": [{"source": "posts"}], "window_days": 1}))
        .await;
    backfill(&world.context, &range(1, 10), &Heard::default(), &CancellationToken::new()).await.unwrap();
    define(&world, json!({"measure": "created", "source": "posts"})).await;
    restate(&world.context).await.unwrap();
    world.execute("DELETE FROM posts WHERE created_at >= '2025-01-10 04:00:00'").await;
    let again = restate(&world.context).await.unwrap();
    assert_eq!((again.changes.len(), again.lossy), (0, vec![january(10)]), "six posts of ten were deleted");
    let accepted = RestateRequest { accept_loss: true, ..request() };
    let never = CancellationToken::new();
    let reading = RestateReading::read(&world.context, &accepted, &Heard::default(), &never).await.unwrap();
    let compared = reading.compare(&world.context, &never).await.unwrap();
    let changes: Vec<_> =
        compared.changes.iter().map(|day| (day.date, day.after.clone(), day.is_lossy)).collect();
    assert_eq!(changes, [(january(10), Decimal::from(4), true)]);
    drop(reading);
    // Under a further definition, too, the restatement in force says how many rows there were.
    define(&world, json!({"measure": "existing", "source": "posts"})).await;
    assert_eq!(restate(&world.context).await.unwrap().lossy, [january(10)]);
}

fn is_by_hand(revision: &Revision) -> bool {
    matches!(revision.basis, RevisionBasis::Manual { .. })
}

async fn take_back(context: &Context, day: Date, revision: i32) {
    let mut taken_back = to(day, 0);
    taken_back.corrections[0].change = RequestedChange::TakeBack { revision };
    write(context, plan(context, taken_back).await.unwrap()).await.unwrap();
}

async fn a_restatement_that_was_taken_back_is_not_made_again(world: World) {
    redefined(&world).await;
    correct(&world.context, january(6), 77).await.unwrap();
    let done = restate(&world.context).await.unwrap();
    assert_eq!((done.changes.len(), done.by_hand), (7, 1));
    take_back(&world.context, january(5), 1).await;
    let again = restate(&world.context).await.unwrap();
    assert_eq!((again.changes.len(), again.by_hand), (0, 2));
    // A correction by hand that is taken back leaves the record, which is restated.
    take_back(&world.context, january(6), 1).await;
    let last = restate(&world.context).await.unwrap();
    assert_eq!(last.changes.iter().map(|day| day.date).collect::<Vec<_>>(), [january(6)]);
    assert_eq!(last.by_hand, 1);
}

async fn days_of_another_kind_are_restated_even_if_they_agree(world: World) {
    backfill(&world.context, &range(1, 10), &Heard::default(), &CancellationToken::new()).await.unwrap();
    // On the first day, as many posts exist as were created.
    define(&world, json!({"measure": "existing", "source": "posts"})).await;
    let done = restate(&world.context).await.unwrap();
    assert_eq!((done.changes.len(), done.unchanged), (10, 0));
    assert_eq!(done.changes[0].difference(), Decimal::zero());
    let written = revisions(&world).await;
    let basis = RevisionBasis::Reconstruction { definition_version: 2 };
    assert!(written.values().all(|of_day| of_day.len() == 1 && of_day[0].basis == basis), "{written:?}");
    assert_eq!(restate(&world.context).await.unwrap().unchanged, 10, "all days are of one kind now");
}

/// Cancels after the first commit.
struct StopAfterFirst(CancellationToken);

impl daymark::collect::Progress for StopAfterFirst {
    fn reading(&self, _: usize, _: usize) {}
    fn started(&self, _: usize) {}
    fn advanced(&self, _: usize) {
        self.0.cancel();
    }
}
