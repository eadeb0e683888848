//! What corrections cost readers: a year of two hundred metrics with the values in force, beside the records alone. And what it costs
//! to restate a year of a metric, beside its backfill.

use std::time::{Duration, Instant};

use anyhow::ensure;
use daymark::{
    metric::MetricKey,
    store::{
        AskedMetric, NewRevision, RevisionBasis, RevisionBatch, RevisionEffect, SeriesQuestion, Store,
        ValuesAsked,
    },
};
use jiff::civil::Date;

use crate::{
    definitions,
    engine::Engine,
    report::{Comparison, Report, Target},
};

const ROUNDS: usize = 9;
const RESTATE_ROUNDS: usize = 5;
/// The wrong definition of a metric, and the right one: one label of eight.
const WRONG: &str = "[metrics.posts_published]\nmeasure = \"created\"\nsource = \"posts\"\n";
const RIGHT: &str =
    "[metrics.posts_published]\nmeasure = \"created\"\nsource = \"posts\"\nfilter = { genre = \"jazz\" }\n";
/// Every twentieth day is corrected: 5 %.
const CORRECTED_EVERY: usize = 20;

/// Measures the restatement of a metric of which every day is wrong, beside a backfill of it under the right definition.
pub async fn restated(engine: &Engine, report: &mut Report, from: Date, to: Date) -> anyhow::Result<()> {
    let platform = engine.platform()?;
    let wrong = definitions::of_posts(platform.as_ref(), WRONG).await?;
    let right = definitions::of_posts(platform.as_ref(), RIGHT).await?;
    let days = usize::try_from((to - from).get_days())? + 1;
    let mut rounds = Vec::new();
    for round in 0..=RESTATE_ROUNDS {
        let corrected = engine.daymark(&wrong).await?;
        corrected.backfill(from, to).await?;
        corrected.apply(&right).await?;
        let restated = corrected.restate("posts_published", days).await?;
        let backfilled = engine.daymark(&right).await?.backfill(from, to).await?;
        if round > 0 {
            rounds.push((restated, backfilled));
        }
    }
    report.comparison(Comparison {
        engine: engine.name,
        what: format!("restating {days} days of a metric"),
        than: "a backfill of them",
        rounds,
        target: Some(Target::AtMost(1.2)),
    });
    Ok(())
}

pub async fn measure(engine: &Engine, report: &mut Report, from: Date, to: Date) -> anyhow::Result<()> {
    let definitions = definitions::two_hundred(engine.platform()?.as_ref()).await?;
    let keys: Vec<_> = definitions.iter().map(|definition| definition.key()).collect();
    let daymark = engine.daymark(&definitions).await?;
    daymark.backfill(from, to).await?;
    let store = daymark.store();
    let compared = |what: &str, rounds, target| Comparison {
        engine: engine.name,
        what: format!("reading 365 days of 200 metrics, {what}"),
        than: "the records alone",
        rounds,
        target: Some(Target::AtMost(target)),
    };
    let rounds = rounds(store, &keys, from, to, 0).await?;
    report.comparison(compared("none corrected", rounds, 1.03));
    let corrected = correct(store, &keys, from, to).await?;
    let rounds = self::rounds(store, &keys, from, to, corrected).await?;
    report.comparison(compared("5 % of them corrected", rounds, 1.2));
    Ok(())
}

/// The times of reading the values in force and the records. The first round warms the caches up.
async fn rounds(
    store: &dyn Store,
    keys: &[MetricKey],
    from: Date,
    to: Date,
    corrected: usize,
) -> anyhow::Result<Vec<(Duration, Duration)>> {
    let mut rounds = Vec::new();
    for round in 0..=ROUNDS {
        let (recorded, none) = read(store, keys, from, to, true).await?;
        let (in_force, found) = read(store, keys, from, to, false).await?;
        ensure!((none, found) == (0, corrected), "{found} of {corrected} corrected values were found");
        if round > 0 {
            rounds.push((in_force, recorded));
        }
    }
    Ok(rounds)
}

/// How long it takes, and how many values are corrected.
async fn read(
    store: &dyn Store,
    keys: &[MetricKey],
    from: Date,
    to: Date,
    as_recorded: bool,
) -> anyhow::Result<(Duration, usize)> {
    let asked = |key: &MetricKey| AskedMetric { key: key.clone(), metadata: false, judgement: false };
    let metrics = keys.iter().map(asked).collect();
    let question = SeriesQuestion { from, to, metrics, values: ValuesAsked { as_recorded, as_of: None } };
    let started = Instant::now();
    let series = store.series_days(&question).await?;
    let took = started.elapsed();
    let days = series.iter().flat_map(|series| &series.recorded);
    Ok((took, days.filter(|day| day.correction.is_some()).count()))
}

/// Corrects every twentieth day, and returns how many days.
async fn correct(store: &dyn Store, keys: &[MetricKey], from: Date, to: Date) -> anyhow::Result<usize> {
    let mut days: Vec<_> = Vec::new();
    for key in keys {
        days.extend(
            from.series(jiff::ToSpan::days(1)).take_while(|date| *date <= to).map(|date| (key, date)),
        );
    }
    let revisions: Vec<_> = days.into_iter().step_by(CORRECTED_EVERY).collect();
    let revision = |(key, date): &(&MetricKey, Date)| NewRevision {
        date: *date,
        key: (*key).clone(),
        effect: RevisionEffect::Value { value: 7.into(), metadata: serde_json::Map::new() },
        basis: RevisionBasis::MANUAL,
        number: None,
    };
    for chunk in revisions.chunks(1000) {
        let batch = RevisionBatch {
            id: uuid::Uuid::new_v4(),
            reason: "the benchmark".to_owned(),
            author: "cli:bench".to_owned(),
            made_at: "2025-12-31T00:30:00Z".parse()?,
            revisions: chunk.iter().map(revision).collect(),
        };
        store.write_revisions(&batch).await?;
    }
    Ok(revisions.len())
}
