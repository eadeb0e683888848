//! Judging recorded values: after a collection and a backfill, later, and again.

use daymark::{
    collect::{
        CancellationToken, JudgeReport, JudgeRequest, backfill, collect_day, judge_again, judge_unjudged,
        sample_drift,
    },
    config::QuerySettings,
    corrections::{self, CorrectionRequest, RequestedChange, RequestedCorrection},
    judgement::{JUDGE_VERSION, Reason, Verdict},
    metric::Provenance,
    query::{
        Catalogue, Export, ExportFormat, LatestQuery, OwnQueries, SeriesQuery, SeriesRequest, health, latest,
        series,
    },
    store::{
        Anomaly,
        table::{IsOperand, Output, RowCondition, StoreTable, TableQuery},
    },
};
use jiff::{
    ToSpan,
    civil::{Date, Weekday},
};
use serde_json::{Value, json};

use crate::{
    on,
    world::{Heard, World, definitions, january, range},
};

on! { [sqlite, postgres]
    each_collected_value_is_judged_by_its_history,
    a_backfill_is_judged_and_so_are_the_days_after_it,
    a_correction_is_judged_and_is_history_of_the_days_after_it,
    a_judge_that_fails_leaves_the_record,
    judgements_are_made_again_as_they_were,
    only_the_requested_records_are_judged_again,
    readers_see_judgements_beside_values,
    a_sample_of_days_is_counted_again_and_kept,
    corrected_values_are_judged_and_are_the_history_of_later_ones,
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
    backfill(&world.context, &request, &Heard::default(), &CancellationToken::new()).await.unwrap();
}

async fn each_collected_value_is_judged_by_its_history(world: World) {
    backfilled(&world).await;
    assert_eq!(unjudged(&world).await, 0);
    assert!(anomalies(&world).await.iter().all(|anomaly| anomaly.day.date < january(31)));
    // Twice as many posts as on other days, and no comments at all.
    let rows: Vec<_> = (0..60).map(|minute| format!("(1, '2025-04-10 13:{minute:02}:00', 'jazz')")).collect();
    world.execute(&format!("INSERT INTO posts VALUES {}", rows.join(", "))).await;
    world.execute("DELETE FROM comments WHERE created_at >= '2025-04-10'").await;
    let report = collect_day(&world.context, None, &[], &CancellationToken::new()).await.unwrap();
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
    collect_day(&world.context, None, &[], &CancellationToken::new()).await.unwrap();
    assert_eq!(unjudged(&world).await, 0);
    assert_eq!(anomalies(&world).await.len(), 0, "without history");
    let mut request = range(1, 1);
    request.to = Some(LAST);
    backfill(&world.context, &request, &Heard::default(), &CancellationToken::new()).await.unwrap();
    let found = anomalies(&world).await;
    let newest: Vec<_> = found.iter().filter(|anomaly| anomaly.day.date == LAST).collect();
    assert_eq!(newest[0].day.key.category, "posts_created", "the day that was judged before");
    assert_eq!(newest[0].day.judgement.reason, Some(Reason::Below));
}

async fn a_correction_is_judged_and_is_history_of_the_days_after_it(world: World) {
    backfilled(&world).await;
    // Eight weeks in which there were four times as many posts as were recorded.
    let missed = |days: i64| RequestedCorrection {
        category: "posts_created".to_owned(),
        metric_type: None,
        date: LAST.saturating_sub(days.days()),
        change: RequestedChange::Value { value: 80.into(), metadata: None },
        after_revision: None,
    };
    let reason = "most of the posts were imported later".to_owned();
    let request = CorrectionRequest { reason, corrections: (1..=56).rev().map(missed).collect() };
    let plan = corrections::plan(&world.context, request).await.unwrap();
    let revisions = corrections::write(&world.context, plan).await.unwrap();
    assert!(unjudged(&world).await >= 56, "a correction takes the judgement away");
    corrections::judge_again(&world.context, &revisions).await;
    assert_eq!(unjudged(&world).await, 0);
    let of_posts = async || {
        let mut found = anomalies(&world).await;
        found.retain(|anomaly| anomaly.day.key.category == "posts_created");
        found
    };
    let first = LAST.saturating_sub(56.days());
    let first = of_posts().await.into_iter().find(|anomaly| anomaly.day.date == first).unwrap();
    assert_eq!((first.day.judgement.reason, first.value), (Some(Reason::Above), 80.into()));
    collect_day(&world.context, None, &[], &CancellationToken::new()).await.unwrap();
    let newest = of_posts().await.into_iter().find(|anomaly| anomaly.day.date == LAST).unwrap();
    assert_eq!((newest.day.judgement.reason, newest.value), (Some(Reason::Below), 20.into()));
}

async fn a_judge_that_fails_leaves_the_record(world: World) {
    backfilled(&world).await;
    world.lose_judgements().await;
    let report = collect_day(&world.context, None, &[], &CancellationToken::new()).await.unwrap();
    assert_eq!((report.recorded.len(), report.failed.len()), (4, 0));
    assert_eq!(world.runs().await[0].error_message, None);
    assert!(judge_unjudged(&world.context, 10).await.is_err(), "the table is gone");
}

async fn judgements_are_made_again_as_they_were(world: World) {
    backfilled(&world).await;
    world.execute("DELETE FROM posts WHERE created_at >= '2025-04-10 12:01:00'").await;
    collect_day(&world.context, None, &[], &CancellationToken::new()).await.unwrap();
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

async fn only_the_requested_records_are_judged_again(world: World) {
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

/// Corrects a day of `posts_created`, and judges it again.
async fn correct(world: &World, date: Date, change: RequestedChange) {
    let correction = RequestedCorrection {
        category: "posts_created".to_owned(),
        metric_type: None,
        date,
        change,
        after_revision: None,
    };
    let request = CorrectionRequest { reason: "known".to_owned(), corrections: vec![correction] };
    let planned = corrections::plan(&world.context, request).await.unwrap();
    let written = corrections::write(&world.context, planned).await.unwrap();
    corrections::judge_again(&world.context, &written).await;
}

async fn corrected_values_are_judged_and_are_the_history_of_later_ones(world: World) {
    backfilled(&world).await;
    let rows: Vec<_> = (0..60).map(|minute| format!("(1, '2025-04-10 13:{minute:02}:00', 'jazz')")).collect();
    world.execute(&format!("INSERT INTO posts VALUES {}", rows.join(", "))).await;
    collect_day(&world.context, None, &[], &CancellationToken::new()).await.unwrap();
    let found = async |date: Date| {
        let mut all = anomalies(&world).await.into_iter();
        all.find(|anomaly| anomaly.day.key.category == "posts_created" && anomaly.day.date == date)
    };
    let days = |anomaly: &Anomaly| anomaly.day.judgement.baseline.unwrap().days;
    let recorded = found(LAST).await.unwrap();
    assert_eq!((recorded.value.to_string(), days(&recorded)), ("80".to_owned(), 56));
    // A withdrawn day is no history of the later one.
    let before = LAST.saturating_sub(2.days());
    correct(&world, before, RequestedChange::Withdraw).await;
    assert_eq!(days(&found(LAST).await.unwrap()), 55);
    // A right value of 20 is none, and a wrong one of an earlier day is one, with the value in force.
    correct(&world, LAST, RequestedChange::Value { value: 20.into(), metadata: None }).await;
    assert_eq!(found(LAST).await, None);
    correct(&world, LAST.yesterday().unwrap(), RequestedChange::Value { value: 500.into(), metadata: None })
        .await;
    assert_eq!(found(LAST.yesterday().unwrap()).await.unwrap().value, 500.into());
    assert_eq!(unjudged(&world).await, 0);
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
    collect_day(&world.context, None, &[], &CancellationToken::new()).await.unwrap();
    world.execute_on_store("UPDATE daily_metric_judgements SET verdict = 'anomaly', reason = 'above' WHERE metric_date = '2025-04-10' AND baseline_days = 0").await;
    let found = anomalies(&world).await;
    let newest: Vec<_> = found.iter().filter(|anomaly| anomaly.day.date == LAST).collect();
    assert_eq!(newest.len(), 1);
    assert_eq!(newest[0].day.key.category, "comments_created");
    assert_eq!(newest[0].day.judgement.verdict, Verdict::Anomaly);
}

/// A backfilled history and a last day with one post, whose judgement is an anomaly.
async fn with_an_anomaly(world: &World) {
    backfilled(world).await;
    world.execute("DELETE FROM posts WHERE created_at >= '2025-04-10 12:01:00'").await;
    collect_day(&world.context, None, &[], &CancellationToken::new()).await.unwrap();
}

async fn readers_see_judgements_beside_values(world: World) {
    with_an_anomaly(&world).await;
    let context = &world.context;
    let store = &context.tenant.store;
    let catalogue = std::sync::Arc::new(Catalogue::load(store.as_ref()).await.unwrap());
    let settings = QuerySettings { week_start: Weekday::Monday, max_points: 365 };
    let request = |judgement, interval: &str| SeriesRequest {
        from: Some(LAST.yesterday().unwrap().to_string()),
        to: Some(LAST.to_string()),
        categories: vec!["posts_created".to_owned()],
        intervals: vec![interval.to_owned()],
        judgement,
        ..SeriesRequest::default()
    };
    let points = async |request: SeriesRequest| {
        let query = SeriesQuery::parse(&request, &catalogue, &settings, LAST).unwrap();
        let answer = series(context, &catalogue, &query).await.unwrap();
        serde_json::to_value(&answer.series[0].points).unwrap()
    };
    let expected = json!({
        "verdict": "anomaly", "reason": "below", "expected_low": 4.3, "expected_high": 35.7, "score": -4.25,
        "baseline_days": 56, "baseline_from": "2025-02-13", "baseline_to": "2025-04-09", "judge_version": JUDGE_VERSION,
    });
    let of_days = points(request(true, "day")).await;
    assert_eq!(of_days[1]["judgement"].to_string(), expected.to_string());
    assert_eq!(of_days[0]["judgement"]["verdict"], "normal");
    assert_eq!(points(request(false, "day")).await[1].get("judgement"), None);
    assert_eq!(points(request(true, "week")).await[0].get("judgement"), None);

    let query = LatestQuery::parse(&["posts_created".to_owned()], &[], &catalogue).unwrap();
    let newest = latest(context, &catalogue, &query).await.unwrap();
    assert_eq!(serde_json::to_value(&newest.metrics[0].judgement).unwrap(), expected);

    let query =
        SeriesQuery::parse_export(&request(false, "day"), context, &catalogue, &settings).await.unwrap();
    let mut export =
        Export::series(context.clone(), catalogue.clone(), query, ExportFormat::Json).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(piece) = export.next().await.unwrap() {
        bytes.extend(piece);
    }
    let rows: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(rows[1]["judgement"], expected);

    let found = health(context, OwnQueries::None).await.unwrap().anomalies;
    assert_eq!((found.last_7_days, found.last_30_days, found.newest.len()), (1, 1, 1));
    assert_eq!(serde_json::to_value(&found.newest[0].judgement).unwrap(), expected);
    rows_have_a_column_of_judgements(&world, &expected).await;
}

/// As `/rest/v1` reads them.
async fn rows_have_a_column_of_judgements(world: &World, expected: &Value) {
    let column = |name: &str| StoreTable::DailyMetrics.column(name).unwrap();
    let is_judged = |state| RowCondition::Is { column: column("judgement"), state };
    let query = |condition, names: &[&str]| TableQuery {
        table: StoreTable::DailyMetrics,
        columns: names
            .iter()
            .map(|name| Output { column: column(name), alias: None, as_text: false })
            .collect(),
        condition,
        order: Vec::new(),
        limit: 1000,
        offset: 0,
        max_bytes: 1_000_000,
        count: true,
        as_of: None,
    };
    let store = &world.context.tenant.store;
    let page = store.table(&query(is_judged(IsOperand::NotNull), &["judgement", "value"])).await.unwrap();
    let rows: Vec<Value> = serde_json::from_str(&page.json.unwrap()).unwrap();
    assert_eq!((rows.len(), page.total), (400, Some(400)));
    assert_eq!(rows.iter().filter(|row| row["judgement"] == *expected).count(), 1);
    world.execute_on_store("DELETE FROM daily_metric_judgements WHERE metric_date < '2025-01-03'").await;
    let page = store.table(&query(is_judged(IsOperand::Null), &["metric_date"])).await.unwrap();
    assert_eq!(page.total, Some(8));
    let page = store.table(&query(RowCondition::All(Vec::new()), &["judgement"])).await.unwrap();
    assert!(page.json.unwrap().matches("null").count() >= 8);
}

async fn a_sample_of_days_is_counted_again_and_kept(world: World) {
    backfill(&world.context, &range(1, 10), &Heard::default(), &CancellationToken::new()).await.unwrap();
    let before = world.records().await;
    world.execute("DELETE FROM posts WHERE author_id = 2").await;
    let store = &world.context.tenant.store;
    let samples = async || store.drift_samples(jiff::Timestamp::UNIX_EPOCH, 1000).await.unwrap();
    assert_eq!(sample_drift(&world.context, january(10), 0, &CancellationToken::new()).await.unwrap(), 0);
    assert_eq!(sample_drift(&world.context, january(10), 2, &CancellationToken::new()).await.unwrap(), 8);
    assert_eq!(samples().await.len(), 8);
    assert_eq!(sample_drift(&world.context, january(10), 100, &CancellationToken::new()).await.unwrap(), 40);
    let found = samples().await;
    assert_eq!(found.len(), 40);
    let changed = |sample: &&daymark::store::DriftSample| sample.in_force != sample.recounted;
    let created = found.iter().filter(|sample| sample.key.category == "posts_created").filter(changed);
    assert_eq!(created.count(), 9, "the first day has no post of author 2");
    let health = health(&world.context, OwnQueries::None).await.unwrap().drift;
    assert_eq!((health.recounted, health.changed), (40, found.iter().filter(changed).count()));
    assert_eq!(health.last_recounted_at, Some(world.context.now()));
    assert_eq!(world.records().await, before, "no record is changed");
}
