//! Series over many days match the records, also where days are missing.

use std::collections::BTreeSet;

use daymark::{
    metric::{Definition, MetricKey, MetricType, Provenance, Record},
    store::{AskedMetric, DefinitionChange, Origin, RecordedDay, SeriesQuestion, Store, ValuesAsked},
};
use jiff::{
    ToSpan,
    civil::{Date, date},
};
use uuid::Uuid;

use crate::{
    fixture::{Fixture, definitions, exact_metadata, key, noon, record},
    on_both_stores,
};

/// The range has 15 whole months and two partial ones, with two ends of a year and a 29 February.
const FIRST: Date = date(2023, 9, 12);
const LAST: Date = date(2025, 1, 20);

fn posts() -> MetricKey {
    key(MetricType::Count, "posts_total")
}

fn mood() -> MetricKey {
    key(MetricType::Average, "mood")
}

fn rate() -> MetricKey {
    key(MetricType::Percentage, "engagement_rate")
}

fn genres() -> MetricKey {
    key(MetricType::Aggregate, "top_genres")
}

fn dates(from: Date, to: Date) -> impl Iterator<Item = Date> {
    from.series(1.day()).take_while(move |date| *date <= to)
}

fn month(date: Date) -> Date {
    date.first_of_month()
}

/// A record whose value, version, provenance and metadata depend on its date, so that a confused day would differ.
fn a_record(run: Uuid, metric: &MetricKey, date: Date) -> Record {
    let day = date.day();
    let value = match day % 5 {
        0 => "12345678901234567890123456789012345678".to_owned(),
        1 => format!("0.{day:029}1"),
        _ => format!("{day}.50"),
    };
    Record {
        key: metric.clone(),
        provenance: match day {
            10.. => Provenance::Observed,
            _ => Provenance::Reconstructed,
        },
        definition_version: if date.day_of_year() % 50 > 20 { 2 } else { 1 },
        metadata: if metric == &genres() { exact_metadata() } else { Default::default() },
        ..record(run, date, &value)
    }
}

/// Whether a day of `metric` is recorded. `posts_total` has all days; `mood` lacks single days, a whole month, and the first and
/// last day of another; `engagement_rate` has every other month; `top_genres` lacks one day.
fn is_recorded(metric: &MetricKey, date: Date) -> bool {
    let (month, day) = (date.month(), date.day());
    match metric.category.as_str() {
        "posts_total" => true,
        "mood" => match month {
            3 => day != 17,
            5 => false,
            6 => !(day == 1 || day == 30),
            12 => day != 31,
            _ => true,
        },
        "engagement_rate" => month % 2 == 0,
        _ => date != jiff::civil::date(2024, 7, 7),
    }
}

fn recorded_dates(metric: &MetricKey) -> BTreeSet<Date> {
    dates(FIRST, LAST).filter(|date| is_recorded(metric, *date)).collect()
}

/// Adds a second version of each definition.
async fn revise(fixture: &Fixture) {
    let revised = |definition| Definition { description: "Otherwise".to_owned(), ..definition };
    let changes: Vec<_> = definitions().into_iter().map(revised).map(DefinitionChange::Revise).collect();
    fixture.store.change_definitions(&changes, Origin::File, noon()).await.unwrap();
}

/// Records every third day first, so that the order of insertion is not that of the days.
async fn record_all(store: &dyn Store, run: Uuid) {
    let all: Vec<_> = [posts(), mood(), rate(), genres()]
        .iter()
        .flat_map(|metric| recorded_dates(metric).into_iter().map(|date| a_record(run, metric, date)))
        .collect();
    let (early, late): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|record| record.metric_date.day_of_year() % 3 == 0);
    for records in early.chunks(101).chain(late.chunks(101)) {
        store.commit(records, None).await.unwrap();
    }
}

fn question(metrics: &[MetricKey], from: Date, to: Date) -> SeriesQuestion {
    let asked =
        |key: &MetricKey| AskedMetric { key: key.clone(), metadata: key == &genres(), judgement: false };
    SeriesQuestion { from, to, metrics: metrics.iter().map(asked).collect(), values: ValuesAsked::default() }
}

/// The series of a metric that the records make.
fn expected(records: &[Record], metric: &AskedMetric, from: Date, to: Date) -> Vec<RecordedDay> {
    let days = records.iter().filter(|record| record.key == metric.key);
    let days = days.filter(|record| (from..=to).contains(&record.metric_date));
    let day = |record: &Record| RecordedDay {
        date: record.metric_date,
        value: record.value.clone(),
        provenance: record.provenance,
        definition_version: record.definition_version,
        metadata: metric.metadata.then(|| Box::new(record.metadata.clone())),
        judgement: None,
        correction: None,
    };
    days.map(day).collect()
}

async fn assert_as_recorded(store: &dyn Store, records: &[Record], question: &SeriesQuestion) {
    let series = store.series(question).await.unwrap().series;
    for (metric, days) in question.metrics.iter().zip(series.iter().map(|days| &days.recorded)) {
        let expected = expected(records, metric, question.from, question.to);
        let (from, to) = (question.from, question.to);
        assert_eq!(days, &expected, "{} from {from} to {to}", metric.key.category);
    }
}

on_both_stores!(series_over_every_range_of_months_match_the_records);

/// The ranges begin and end at the edges of months and within them.
async fn series_over_every_range_of_months_match_the_records(fixture: Fixture) {
    let run = fixture.ready().await;
    revise(&fixture).await;
    record_all(fixture.store.as_ref(), run).await;
    let metrics = [mood(), posts(), genres(), rate()];
    let months: BTreeSet<_> = dates(FIRST, LAST).map(month).collect();
    let records = fixture.store.records(FIRST, LAST, None).await.unwrap();
    let edges: Vec<_> = months
        .iter()
        .flat_map(|month| {
            [*month, month.tomorrow().unwrap(), month.with().day(17).build().unwrap(), month.last_of_month()]
        })
        .chain([date(2022, 5, 5), date(9999, 12, 31)])
        .collect();
    let mut ranges = 0;
    for from in &edges {
        for to in edges.iter().filter(|to| (**to - *from).get_days() > 80).step_by(3) {
            ranges += 1;
            assert_as_recorded(fixture.store.as_ref(), &records, &question(&metrics, *from, *to)).await;
        }
    }
    assert!(ranges > 500, "{ranges}");
}
