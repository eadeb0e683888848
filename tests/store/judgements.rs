//! Judgements beside the records, and recounts of them.

use daymark::{
    judgement::{Baseline, JUDGE_VERSION, Judgement, Reason, Verdict},
    metric::MetricType,
    store::{DriftSample, JudgedDay},
};
use jiff::{Timestamp, civil::Date};

use crate::fixture::{Fixture, day, decimal, finish, key, noon, record};

crate::on_both_stores!(
    judgements_are_read_as_they_were_written,
    a_judgement_replaces_an_earlier_one_also_that_of_a_later_judge,
    records_without_a_judgement_are_found_in_the_order_of_metrics_and_days,
    judgements_can_be_deleted_without_a_record_being_changed,
    impossible_judgements_are_refused,
    the_last_recount_of_each_record_is_kept,
);

fn judged(date: Date, verdict: Verdict, reason: Option<Reason>) -> JudgedDay {
    let judgement = Judgement {
        judge_version: JUDGE_VERSION,
        verdict,
        reason,
        expected: Some((decimal("-0.50"), decimal("99999999999999999999999999.75"))),
        score: Some(decimal("-9999.99")),
        baseline: Some(Baseline { days: 2, from: date.yesterday().unwrap(), to: date.yesterday().unwrap() }),
    };
    JudgedDay { date, key: key(MetricType::Count, "posts_total"), judgement }
}

fn anomaly(date: Date) -> JudgedDay {
    judged(date, Verdict::Anomaly, Some(Reason::Above))
}

/// Records of 10 days.
async fn recorded(fixture: &Fixture) {
    let run = fixture.ready().await;
    let records: Vec<_> = (1..=10).map(|number| record(run, day(number), "5.50")).collect();
    fixture.store.commit(&records, Some(&finish(run))).await.unwrap();
}

async fn anomaly_days(fixture: &Fixture, limit: i64) -> Vec<i8> {
    let found = fixture.store.anomalies(day(1), day(9), limit).await.unwrap();
    found.iter().map(|anomaly| anomaly.day.date.day()).collect()
}

async fn judgements_are_read_as_they_were_written(fixture: Fixture) {
    recorded(&fixture).await;
    let without_history = Judgement {
        expected: None,
        score: None,
        baseline: None,
        ..judged(day(3), Verdict::Anomaly, Some(Reason::OutOfRange)).judgement
    };
    let third = JudgedDay { judgement: without_history, ..anomaly(day(3)) };
    let written = [anomaly(day(2)), third, judged(day(4), Verdict::Normal, None), anomaly(day(10))];
    fixture.store.write_judgements(&[], None).await.unwrap();
    fixture.store.write_judgements(&written, None).await.unwrap();
    let found = fixture.again().anomalies(day(1), day(9), 10).await.unwrap();
    assert_eq!(found.iter().map(|anomaly| &anomaly.day).collect::<Vec<_>>(), [&written[1], &written[0]]);
    assert_eq!(found[0].value.to_string(), "5.50");
    assert_eq!(anomaly_days(&fixture, 1).await, [3], "the newest first");
    let other = fixture.of_tenant("other");
    assert_eq!(other.anomalies(day(1), day(31), 10).await.unwrap(), []);
}

async fn a_judgement_replaces_an_earlier_one_also_that_of_a_later_judge(fixture: Fixture) {
    recorded(&fixture).await;
    let store = &fixture.store;
    let normal = judged(day(2), Verdict::Normal, None);
    store.write_judgements(&[anomaly(day(2)), anomaly(day(3))], None).await.unwrap();
    store.write_judgements(std::slice::from_ref(&normal), None).await.unwrap();
    assert_eq!(anomaly_days(&fixture, 10).await, [3]);
    let mut later = anomaly(day(2));
    // A role that may write judgements can claim any version.
    later.judgement.judge_version = 1_000_000;
    store.write_judgements(&[later], None).await.unwrap();
    assert_eq!(anomaly_days(&fixture, 10).await, [3, 2]);
    store.write_judgements(&[normal], None).await.unwrap();
    assert_eq!(anomaly_days(&fixture, 10).await, [3]);
}

async fn records_without_a_judgement_are_found_in_the_order_of_metrics_and_days(fixture: Fixture) {
    recorded(&fixture).await;
    let unjudged = async |version, limit| {
        let found = fixture.store.unjudged(version, limit).await.unwrap();
        found.into_iter().map(|(date, _)| date.day()).collect::<Vec<_>>()
    };
    assert_eq!(unjudged(1, 3).await, [1, 2, 3]);
    fixture.store.write_judgements(&[anomaly(day(1)), anomaly(day(3))], None).await.unwrap();
    assert_eq!(unjudged(JUDGE_VERSION, 100).await, [2, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(unjudged(JUDGE_VERSION + 1, 100).await.len(), 10, "a newer judge looks at all of them");
}

async fn judgements_can_be_deleted_without_a_record_being_changed(fixture: Fixture) {
    recorded(&fixture).await;
    let before = fixture.store.records(day(1), day(31), None).await.unwrap();
    fixture.store.write_judgements(&[anomaly(day(1))], None).await.unwrap();
    assert_eq!(fixture.store.records(day(1), day(31), None).await.unwrap(), before);
    assert_eq!(fixture.sql("DELETE FROM daily_metric_judgements").await, Ok(1));
    assert_eq!(fixture.store.records(day(1), day(31), None).await.unwrap(), before);
    assert_eq!(fixture.store.integrity().await.unwrap(), []);
}

async fn impossible_judgements_are_refused(fixture: Fixture) {
    recorded(&fixture).await;
    let valid = [
        ("tenant_id", "'default'"),
        ("metric_date", "'2025-01-01'"),
        ("metric_type", "'count'"),
        ("metric_category", "'posts_total'"),
        ("judge_version", "1"),
        ("verdict", "'anomaly'"),
        ("reason", "'above'"),
        ("expected_low", "'1'"),
        ("expected_high", "'2.5'"),
        ("score", "'3.5'"),
        ("baseline_days", "1"),
        ("baseline_from", "'2024-12-31'"),
        ("baseline_to", "'2024-12-31'"),
    ];
    let insert = async |changes: &[(&str, &str)]| {
        let value = |column: &str, value: &'static str| {
            let change = changes.iter().find(|(changed, _)| *changed == column);
            change.map_or(value.to_owned(), |(_, changed)| (*changed).to_owned())
        };
        let columns: Vec<_> = valid.iter().map(|(column, _)| *column).collect();
        let values: Vec<_> = valid.iter().map(|(column, default)| value(column, default)).collect();
        let (columns, values) = (columns.join(", "), values.join(", "));
        fixture.sql(&format!("INSERT INTO daily_metric_judgements ({columns}) VALUES ({values})")).await
    };
    for changes in [
        &[("tenant_id", "'Default'")][..],
        &[("metric_date", "'1899-12-31'")],
        &[("metric_type", "'sum'")],
        &[("metric_category", "'Posts'")],
        &[("judge_version", "0")],
        &[("verdict", "'odd'")],
        &[("verdict", "'normal'")],
        &[("reason", "NULL")],
        &[("reason", "'odd'")],
        &[("expected_low", "NULL")],
        &[("expected_high", "'NaN'")],
        &[("expected_high", "'Infinity'")],
        &[("score", "'10000'")],
        &[("baseline_days", "-1")],
        &[("baseline_days", "0")],
        &[("baseline_from", "NULL")],
        &[("baseline_to", "'2025-01-01'")],
        &[("baseline_to", "'2024-12-30'")],
    ] {
        let error = insert(changes).await.expect_err(&format!("{changes:?}")).to_lowercase();
        assert!(error.contains("check constraint"), "{changes:?}: {error}");
    }
    assert_eq!(insert(&[]).await, Ok(1));
}

async fn the_last_recount_of_each_record_is_kept(fixture: Fixture) {
    recorded(&fixture).await;
    let sample = |number, recounted: &str, recounted_at: Timestamp| DriftSample {
        date: day(number),
        key: key(MetricType::Count, "posts_total"),
        in_force: decimal("5.50"),
        recounted: decimal(recounted),
        recounted_at,
    };
    let (first, later) = (noon(), noon() + jiff::SignedDuration::from_hours(24));
    let store = &fixture.store;
    store.write_drift_samples(&[]).await.unwrap();
    store.write_drift_samples(&[sample(1, "5.50", first), sample(2, "4", first)]).await.unwrap();
    store.write_drift_samples(&[sample(1, "3.000", later)]).await.unwrap();
    let found = fixture.again().drift_samples(first, 10).await.unwrap();
    assert_eq!(found, [sample(1, "3.000", later), sample(2, "4", first)]);
    assert_eq!(store.drift_samples(later, 10).await.unwrap(), [sample(1, "3.000", later)]);
    assert_eq!(store.drift_samples(first, 1).await.unwrap().len(), 1);
    assert_eq!(fixture.of_tenant("other").drift_samples(first, 10).await.unwrap(), []);
}

/// A commit of judgements changes the answers about the values.
#[tokio::test(flavor = "multi_thread")]
async fn judgements_change_the_store_version() {
    for fixture in [Fixture::sqlite(), Fixture::postgres().await] {
        recorded(&fixture).await;
        let reader = fixture.again();
        let watch = reader.watch();
        reader.ping().await.unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        let store_version = async |differs_from: Option<u64>| {
            loop {
                match watch.store_version() {
                    Some(store_version) if Some(store_version) != differs_from => return store_version,
                    _ if std::time::Instant::now() > deadline => panic!("the store version stays"),
                    _ => tokio::task::yield_now().await,
                }
            }
        };
        let before = store_version(None).await;
        fixture.store.write_judgements(&[anomaly(day(1))], None).await.unwrap();
        store_version(Some(before)).await;
    }
}
