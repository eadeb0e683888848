//! Judging recorded values: after a collection and a backfill, later, and again.

use daymark::{
    collect::{Cancellation, JudgeReport, JudgeRequest, backfill, collect_day, judge_again, judge_unjudged},
    judgement::{JUDGE_VERSION, Reason, Verdict},
    metric::Provenance,
    store::Anomaly,
};
use jiff::{ToSpan, civil::Date};

use crate::{
    on,
    world::{Heard, World, definitions, january, range},
};

on! { [sqlite, postgres]
    each_collected_value_is_judged_by_its_history,
    a_backfill_is_judged_and_so_are_the_days_after_it,
    a_judge_that_fails_leaves_the_record,
    judgements_are_made_again_as_they_were,
    only_what_was_asked_is_judged_again,
}

/// The tenth of April, which is 100 days after the first of January.
const LAST: Date = jiff::civil::date(2025, 4, 10);

/// Rows of the days after 10 January up to [`LAST`]: 20 posts a day, and as many comments.
async fn platform_until_april(world: &World) {
    let mut rows = Vec::new();
    let mut date = january(11);
    while date <= LAST {
        rows.extend((0..20).map(|minute| format!("(1, '{date} 12:{minute:02}:00', 'jazz')")));
        date = date.tomorrow().unwrap();
    }
    for table in ["posts", "comments"] {
        world.execute(&format!("INSERT INTO {table} VALUES {}", rows.join(", "))).await;
    }
    world.set_clock("2025-04-11T12:00:00Z");
}

async fn anomalies(world: &World) -> Vec<Anomaly> {
    world.context.tenant.store.anomalies(january(1), LAST.saturating_add(30.days()), 1000).await.unwrap()
}

async fn unjudged(world: &World) -> usize {
    world.context.tenant.store.unjudged(JUDGE_VERSION, 10_000).await.unwrap().len()
}

/// Backfills up to the ninth of April.
async fn backfilled(world: &World) {
    platform_until_april(world).await;
    let mut request = range(1, 1);
    request.to = LAST.yesterday().ok();
    backfill(&world.context, &request, &Heard::default(), &Cancellation::never()).await.unwrap();
}

async fn each_collected_value_is_judged_by_its_history(world: World) {
    backfilled(&world).await;
    assert_eq!(unjudged(&world).await, 0);
    assert!(anomalies(&world).await.iter().all(|anomaly| anomaly.day.date < january(31)));
    // Twice as many posts as on other days, and no comments at all.
    let rows: Vec<_> = (0..60).map(|minute| format!("(1, '2025-04-10 13:{minute:02}:00', 'jazz')")).collect();
    world.execute(&format!("INSERT INTO posts VALUES {}", rows.join(", "))).await;
    world.execute("DELETE FROM comments WHERE created_at >= '2025-04-10'").await;
    let report = collect_day(&world.context, None, &[], &Cancellation::never()).await.unwrap();
    assert_eq!((report.recorded.len(), report.provenance), (4, Provenance::Observed));
    let found = anomalies(&world).await;
    let newest: Vec<_> = found.iter().filter(|anomaly| anomaly.day.date == LAST).collect();
    let told: Vec<_> = newest
        .iter()
        .map(|anomaly| {
            let judgement = &anomaly.day.judgement;
            (anomaly.day.key.category.as_str(), judgement.reason.unwrap(), anomaly.value.to_string())
        })
        .collect();
    assert_eq!(
        told,
        [
            ("comments_created", Reason::Zero, "0".to_owned()),
            ("posts_created", Reason::Above, "80".to_owned()),
        ]
    );
    let baseline = newest[0].day.judgement.baseline.unwrap();
    assert_eq!((baseline.days, baseline.to), (56, LAST.yesterday().unwrap()));
    assert_eq!(unjudged(&world).await, 0);
}

async fn a_backfill_is_judged_and_so_are_the_days_after_it(world: World) {
    platform_until_april(&world).await;
    world.execute("DELETE FROM posts WHERE created_at >= '2025-04-10 12:01:00'").await;
    collect_day(&world.context, None, &[], &Cancellation::never()).await.unwrap();
    assert_eq!(unjudged(&world).await, 0);
    assert_eq!(anomalies(&world).await.len(), 0, "without history");
    let mut request = range(1, 1);
    request.to = Some(LAST);
    backfill(&world.context, &request, &Heard::default(), &Cancellation::never()).await.unwrap();
    let found = anomalies(&world).await;
    let newest: Vec<_> = found.iter().filter(|anomaly| anomaly.day.date == LAST).collect();
    assert_eq!(newest[0].day.key.category, "posts_created", "the day that was judged before");
    assert_eq!(newest[0].day.judgement.reason, Some(Reason::Below));
}

async fn a_judge_that_fails_leaves_the_record(world: World) {
    backfilled(&world).await;
    world.lose_judgements().await;
    let report = collect_day(&world.context, None, &[], &Cancellation::never()).await.unwrap();
    assert_eq!((report.recorded.len(), report.failed.len()), (4, 0));
    assert_eq!(world.runs().await[0].error_message, None);
    assert!(judge_unjudged(&world.context, 10).await.is_err(), "the table is gone");
}

async fn judgements_are_made_again_as_they_were(world: World) {
    backfilled(&world).await;
    world.execute("DELETE FROM posts WHERE created_at >= '2025-04-10 12:01:00'").await;
    collect_day(&world.context, None, &[], &Cancellation::never()).await.unwrap();
    let before = anomalies(&world).await;
    assert!(!before.is_empty());
    world.execute_on_store("DELETE FROM daily_metric_judgements").await;
    assert_eq!(unjudged(&world).await, 400);
    let (first, found) = judge_unjudged(&world.context, 150).await.unwrap();
    assert_eq!((first.judged, found), (150, 150));
    let (rest, found) = judge_unjudged(&world.context, 1000).await.unwrap();
    assert_eq!((rest.judged, found), (250, 250));
    assert_eq!(first.anomalies + rest.anomalies, before.len());
    assert_eq!(anomalies(&world).await, before);
    let again = judge_again(&world.context, &JudgeRequest::default()).await.unwrap();
    assert_eq!(again, JudgeReport { judged: 400, anomalies: before.len() });
    assert_eq!(anomalies(&world).await, before);
}

async fn only_what_was_asked_is_judged_again(world: World) {
    backfilled(&world).await;
    let request =
        JudgeRequest { from: Some(january(2)), to: Some(january(3)), only: vec!["posts_created".to_owned()] };
    assert_eq!(judge_again(&world.context, &request).await.unwrap().judged, 2);
    let unknown = JudgeRequest { only: vec!["posts_creatd".to_owned()], ..JudgeRequest::default() };
    let error = judge_again(&world.context, &unknown).await.unwrap_err().to_string();
    assert!(error.contains("posts_created"), "{error}");
    let empty = JudgeRequest { from: Some(january(3)), to: Some(january(2)), ..JudgeRequest::default() };
    assert!(judge_again(&world.context, &empty).await.unwrap_err().to_string().contains("empty"));
}

/// A definition whose meaning changes begins a new history, and one whose presentation changes does not.
#[tokio::test]
async fn a_new_meaning_begins_a_new_history() {
    let world = World::sqlite().await;
    backfilled(&world).await;
    let mut wanted = definitions(world.time_format());
    wanted[1].display_name = "New name".to_owned();
    wanted[2].measure = wanted[1].measure.clone();
    wanted[2].sources = wanted[1].sources.clone();
    world.apply(&wanted).await;
    collect_day(&world.context, None, &[], &Cancellation::never()).await.unwrap();
    world.execute_on_store("UPDATE daily_metric_judgements SET verdict = 'anomaly', reason = 'above' WHERE metric_date = '2025-04-10' AND baseline_days = 0").await;
    let found = anomalies(&world).await;
    let newest: Vec<_> = found.iter().filter(|anomaly| anomaly.day.date == LAST).collect();
    assert_eq!(newest.len(), 1);
    assert_eq!(newest[0].day.key.category, "comments_created");
    assert_eq!(newest[0].day.judgement.verdict, Verdict::Anomaly);
}
