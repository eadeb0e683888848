//! Collecting one day: every metric that is not recorded yet, from one cut of the platform, in one transaction.

use std::time::{Duration, Instant};

use jiff::{Timestamp, civil::Date};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    Cancellation, CollectError, Context, Failure, LeftOut,
    batch::{Answers, Batch},
    freshness::{self, Fresh},
    recording::{self, Origin},
    run::{self, OpenRun},
    selection,
};
use crate::{
    database::{Deadline, Fault},
    metric::{DayBounds, Decimal, MetricKey, Provenance, Record, Tally},
    store::{LockName, RunKind, RunStatus, StoredDefinition},
};

/// What became of a day's collection.
#[derive(Debug, Clone)]
pub struct DayReport {
    pub date: Date,
    /// The entry in the collection log.
    pub run: Uuid,
    pub status: RunStatus,
    pub provenance: Provenance,
    pub recorded: Vec<RecordedMetric>,
    /// How many of the metrics asked for had been recorded before.
    pub already_there: usize,
    pub failed: Vec<Failure>,
    pub left_out: Vec<LeftOut>,
    pub duration: Duration,
}

/// A record that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedMetric {
    pub key: MetricKey,
    pub value: Decimal,
    /// With `out_of_range` in it when the value is not believable.
    pub metadata: Map<String, Value>,
}

/// What was read of the platform and made of it.
#[derive(Default)]
struct Reading {
    provenance: Option<Provenance>,
    records: Vec<Record>,
    failed: Vec<Failure>,
    left_out: Vec<LeftOut>,
}

/// Records `date`, by default the last finished day: all active metrics, or those that `only` names.
///
/// A metric that fails is in the report and in the log, and does not take the others with it. Recording again changes
/// nothing.
///
/// # Errors
/// When the day cannot be recorded at all: it is not finished, another process records it, the platform or the store
/// cannot be reached, or the run was cancelled. From the log entry's start on, the error is in the log as well.
pub async fn collect_day(
    context: &Context,
    date: Option<Date>,
    only: &[String],
    cancel: &Cancellation,
) -> Result<DayReport, CollectError> {
    let started = Instant::now();
    let date = date.unwrap_or_else(|| context.last_finished());
    let day = context.require_finished(date)?;
    let metrics = selection::select(context, only).await?;
    selection::require_time_zone(context, &metrics)?;
    let held = run::lock(context, LockName::Day(date)).await?;
    let run = OpenRun::start(context, held, RunKind::Collect, date, date).await?;
    match record_day(context, &run, day, metrics, cancel).await {
        Ok(report) => Ok(DayReport { duration: started.elapsed(), ..report }),
        Err(error) => Err(run.fail(error).await),
    }
}

async fn record_day(
    context: &Context,
    run: &OpenRun<'_>,
    day: DayBounds,
    metrics: Vec<StoredDefinition>,
    cancel: &Cancellation,
) -> Result<DayReport, CollectError> {
    let recorded = context.tenant.store.recorded(day.date, day.date).await?;
    let is_there = |metric: &StoredDefinition| {
        recorded.get(&metric.definition.key()).is_some_and(|days| days.contains(&day.date))
    };
    let (there, missing): (Vec<_>, Vec<_>) = metrics.into_iter().partition(is_there);
    let deadline = context.deadline();
    let kept = || format!("nothing of {} was recorded by this run; run it again", day.date);
    let reading = read(context, run.id, day, &missing, deadline);
    let reading = run::bounded(context, deadline, cancel, kept, reading).await?;
    let finish = run.finish(there.len() + reading.records.len(), &reading.failed);
    let status = finish.status;
    let written = context.tenant.store.commit(&reading.records, Some(&finish)).await?;
    let provenance = reading.provenance.unwrap_or_else(|| Origin::now(context, run.id).provenance(day.date));
    let (mine, theirs): (Vec<_>, Vec<_>) =
        reading.records.into_iter().partition(|record| written.contains(&(day.date, record.key.clone())));
    Ok(DayReport {
        date: day.date,
        run: run.id,
        status,
        provenance,
        recorded: mine.into_iter().map(RecordedMetric::from).collect(),
        already_there: there.len() + theirs.len(),
        failed: reading.failed,
        left_out: reading.left_out,
        duration: Duration::ZERO,
    })
}

impl From<Record> for RecordedMetric {
    fn from(record: Record) -> Self {
        Self { key: record.key, value: record.value, metadata: record.metadata }
    }
}

/// Reads the missing metrics; from a new cut whenever one is lost. The platform is left alone when nothing is missing.
async fn read(
    context: &Context,
    run: Uuid,
    day: DayBounds,
    missing: &[StoredDefinition],
    deadline: Deadline,
) -> Result<Reading, CollectError> {
    // A day that is not the last finished one now will not be it later either.
    let (wanted, left_out) = split(missing, Origin::now(context, run).provenance(day.date));
    if wanted.is_empty() {
        return Ok(Reading { left_out, ..Reading::default() });
    }
    freshness::when_fresh(context, day.date, |began| read_once(context, run, day, missing, deadline, began))
        .await
}

async fn read_once(
    context: &Context,
    run: Uuid,
    day: DayBounds,
    missing: &[StoredDefinition],
    deadline: Deadline,
    began: Timestamp,
) -> Result<Fresh<Reading>, Fault> {
    let schema = context.tenant.platform.inspect().await?;
    let mut cut = context.tenant.platform.open_cut(deadline).await?;
    let origin = Origin::now(context, run);
    let provenance = origin.provenance(day.date);
    let (wanted, left_out) = split(missing, provenance);
    let batch = Batch::new(wanted.iter().map(|metric| &metric.definition).enumerate());
    if let Some(staleness) = freshness::obstacle(context, cut.as_mut(), &batch, day.date, began).await? {
        return Ok(Err(staleness));
    }
    let answers = batch.read(cut.as_mut(), &schema, &[day]).await?;
    let (records, failed) = evaluate(&wanted, &answers, day.date, &origin);
    Ok(Ok(Reading { provenance: Some(provenance), records, failed, left_out }))
}

/// Which metrics can be recorded with that provenance, and which cannot.
fn split(missing: &[StoredDefinition], provenance: Provenance) -> (Vec<&StoredDefinition>, Vec<LeftOut>) {
    let (wanted, left_out): (Vec<_>, Vec<_>) = missing.iter().partition(|metric| {
        provenance == Provenance::Observed || metric.definition.measure.reconstructible()
    });
    let left_out = left_out.into_iter().map(|metric| LeftOut::not_reconstructible(metric.definition.key()));
    (wanted, left_out.collect())
}

fn evaluate(
    wanted: &[&StoredDefinition],
    answers: &Answers<'_, Vec<Tally>>,
    date: Date,
    origin: &Origin,
) -> (Vec<Record>, Vec<Failure>) {
    let (mut records, mut failed) = (Vec::new(), Vec::new());
    for answer in answers.iter() {
        let metric = wanted[answer.metric];
        let category = &metric.definition.category;
        match answer.of_day(0) {
            Err(fault) => failed.push(Failure::of_fault(category, fault)),
            Ok(tallies) => match recording::record(metric, date, &tallies, origin) {
                Ok(record) => records.push(record),
                Err(error) => failed.push(Failure::of_value(category, error.to_string())),
            },
        }
    }
    (records, failed)
}
