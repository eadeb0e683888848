//! Collects one day: reads every metric that is not recorded yet from one cut of the platform, and writes the records
//! in one transaction.

use std::time::{Duration, Instant};

use jiff::{Timestamp, civil::Date};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    CancellationToken, CollectError, Context, Failure, LeftOut,
    batch::{Answers, Batch},
    first_row::require_begun,
    freshness::{self, CutAttempt, Fresh, Freshness},
    judging::{self, CollectedValue, DayHistory},
    lost_sessions::LostSessions,
    own_clock::{require_clock_of_platform, require_clock_of_store},
    recording::{self, Stamp},
    run::{self, OpenRun},
    selection,
};
use crate::{
    database::{Deadline, Fault},
    metric::{DayBounds, Decimal, Definition, MetricKey, Provenance, Record, Tally},
    store::{LockName, RunKind, RunStatus, StoredDefinition},
};

/// The result of collecting a day.
#[derive(Debug, Clone)]
pub struct DayReport {
    pub date: Date,
    /// The entry in the collection log; `None` when there was nothing to read and so no run was logged.
    pub run: Option<Uuid>,
    pub status: RunStatus,
    pub provenance: Provenance,
    pub recorded: Vec<RecordedMetric>,
    /// The number of requested metrics that had been recorded before.
    pub already_there: usize,
    pub failed: Vec<Failure>,
    /// When the failed metrics are next tried again, if this call did not try them.
    pub next_attempt: Option<Timestamp>,
    pub left_out: Vec<LeftOut>,
    pub duration: Duration,
}

/// A record that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedMetric {
    pub key: MetricKey,
    pub value: Decimal,
    /// The metadata; the key `out_of_range` is present when the value is outside the expected range.
    pub metadata: Map<String, Value>,
}

/// The records made from one reading of the platform, and the metrics that have none.
struct DayRecords {
    provenance: Provenance,
    records: Vec<Record>,
    failed: Vec<Failure>,
    left_out: Vec<LeftOut>,
}

/// Records `date`, by default the last finished day: all active metrics, or those that `only` names.
///
/// A metric that fails is listed in the report and in the log, and does not affect the others. Recording a day again
/// changes nothing; when everything is recorded already, nothing is read and no run is logged.
///
/// # Errors
/// When the day cannot be recorded at all: it is not finished, or before the platform's first row and not the last one, another process is collecting it, the platform or the
/// store cannot be reached, or the run was cancelled. Once the run has a log entry, the error is written there as well.
pub async fn collect_day(
    context: &Context,
    date: Option<Date>,
    only: &[String],
    cancel: &CancellationToken,
) -> Result<DayReport, CollectError> {
    collect(context, date, only, cancel, true).await
}

/// As [`collect_day`], without judging the values: the scheduler does it later. The benchmark compares the two.
///
/// # Errors
/// As [`collect_day`].
pub async fn collect_day_unjudged(
    context: &Context,
    date: Option<Date>,
    only: &[String],
    cancel: &CancellationToken,
) -> Result<DayReport, CollectError> {
    collect(context, date, only, cancel, false).await
}

async fn collect(
    context: &Context,
    date: Option<Date>,
    only: &[String],
    cancel: &CancellationToken,
    judges: bool,
) -> Result<DayReport, CollectError> {
    let started = Instant::now();
    let date = date.unwrap_or_else(|| context.last_finished());
    let day = context.require_finished(date)?;
    let metrics = selection::select(context, only).await?;
    selection::require_time_zone(context, &metrics)?;
    let lock = run::lock(context, LockName::Day(date)).await?;
    let (there, missing) = recorded_and_missing(context, date, metrics).await?;
    let provenance = provenance_now(context, date);
    let (wanted, left_out) = split(&missing, provenance);
    if wanted.is_empty() {
        return Ok(DayReport {
            left_out,
            already_there: there,
            ..DayReport::empty(date, provenance, started)
        });
    }
    require_clock_of_store(context, date).await?;
    if provenance == Provenance::Reconstructed {
        let kept = || kept(date);
        run::bounded(context, context.deadline(), cancel, kept, require_begun(context, date)).await?;
    }
    let run = OpenRun::start(context, lock, RunKind::Collect, date, date).await?;
    // The store has nothing else to do while the platform is read.
    let history = judges.then(|| DayHistory::reading(context, &missing, date));
    match record_day(context, &run, day, &missing, there, cancel).await {
        Ok(report) => {
            // The lock of the day is released before its values are judged.
            run.release();
            if let Some(history) = history {
                let recorded = report.recorded.iter().cloned().map(CollectedValue::from).collect();
                judging::after_collection(context, history, date, report.provenance, recorded).await;
            }
            Ok(DayReport { duration: started.elapsed(), ..report })
        }
        Err(error) => Err(run.fail(error).await),
    }
}

/// Returns how many of `metrics` are recorded on `date`, and those that are not.
pub(super) async fn recorded_and_missing(
    context: &Context,
    date: Date,
    metrics: Vec<StoredDefinition>,
) -> Result<(usize, Vec<StoredDefinition>), CollectError> {
    let recorded = context.tenant.store.recorded(date, date).await?;
    let is_missing = |metric: &StoredDefinition| {
        !recorded.get(&metric.definition.key()).is_some_and(|days| days.contains(&date))
    };
    let all = metrics.len();
    let missing: Vec<_> = metrics.into_iter().filter(is_missing).collect();
    Ok((all - missing.len(), missing))
}

async fn record_day(
    context: &Context,
    run: &OpenRun<'_>,
    day: DayBounds,
    missing: &[StoredDefinition],
    there: usize,
    cancel: &CancellationToken,
) -> Result<DayReport, CollectError> {
    let deadline = context.deadline();
    let definitions = missing.iter().map(|metric| &metric.definition);
    let freshness = Freshness::new(context, definitions, day);
    let lost_sessions = LostSessions::new(context.installation.retry.retries);
    let reader = DayReader { context, run: run.id, day, missing, there, deadline, freshness, lost_sessions };
    let reading = async {
        require_clock_of_platform(context, day.date).await?;
        freshness::when_fresh(context, day.date, &reader.lost_sessions, |may_wait| reader.read(may_wait))
            .await
    };
    let DayRecords { provenance, records, failed, left_out } =
        run::bounded(context, deadline, cancel, || kept(day.date), reading).await?;
    let records = recording::without_redacted_labels(context, records).await?;
    let finish = |refused: &[Failure]| {
        let recorded = there + records.len() - refused.len();
        Some(run.finish(recorded, &[&failed[..], refused].concat()))
    };
    let committed = recording::commit(context, &records, finish).await?;
    let was_written = |record: &Record| committed.written.contains(&(day.date, record.key.clone()));
    let written_by_others = records.len() - committed.written.len() - committed.refused.len();
    Ok(DayReport {
        run: Some(run.id),
        status: committed.finish.map_or(RunStatus::Completed, |finish| finish.status),
        recorded: records.into_iter().filter(was_written).map(RecordedMetric::from).collect(),
        already_there: there + written_by_others,
        failed: [failed, committed.refused].concat(),
        left_out,
        ..DayReport::empty(day.date, provenance, Instant::now())
    })
}

impl DayReport {
    /// The report of a call that found nothing to read.
    pub(super) fn empty(date: Date, provenance: Provenance, started: Instant) -> Self {
        Self {
            date,
            run: None,
            status: RunStatus::Completed,
            provenance,
            recorded: Vec::new(),
            already_there: 0,
            failed: Vec::new(),
            next_attempt: None,
            left_out: Vec::new(),
            duration: started.elapsed(),
        }
    }
}

impl From<RecordedMetric> for CollectedValue {
    fn from(metric: RecordedMetric) -> Self {
        Self { key: metric.key, value: metric.value, metadata: metric.metadata }
    }
}

impl From<Record> for RecordedMetric {
    fn from(record: Record) -> Self {
        Self { key: record.key, value: record.value, metadata: record.metadata }
    }
}

/// The message about a run that ends before its commit.
fn kept(date: Date) -> String {
    format!("nothing of {date} was recorded by this run; run it again")
}

/// Reads a day's metrics from the platform.
struct DayReader<'a> {
    context: &'a Context,
    run: Uuid,
    day: DayBounds,
    missing: &'a [StoredDefinition],
    /// The number of requested metrics that are recorded already.
    there: usize,
    deadline: Deadline,
    freshness: Freshness<'a>,
    lost_sessions: LostSessions,
}

impl DayReader<'_> {
    /// Reads the missing metrics from a new cut, except those that read an old state.
    async fn read(&self, may_wait: bool) -> Result<Fresh<DayRecords>, Fault> {
        let Self { context, day, .. } = self;
        let platform = &context.tenant.platform;
        let queries = Definition::source_queries(self.missing.iter().map(|metric| &metric.definition));
        let schema = platform.inspect_with(&queries).await?;
        let mut cut = platform.open_cut(self.deadline).await?;
        let stamp = Stamp::of_collection(context, self.run);
        let provenance = stamp.provenance(day.date);
        let (mut wanted, left_out) = split(self.missing, provenance);
        let state = self.freshness.of_cut(cut.as_mut()).await?;
        let asked: Vec<_> = wanted.iter().map(|metric| (metric.definition.key(), day.date)).collect();
        let attempt = CutAttempt { may_wait, has_other_records: self.there > 0 };
        let refusals = match state.refusals(&asked, attempt) {
            Ok(refusals) => refusals,
            Err(staleness) => return Ok(Err(staleness)),
        };
        wanted.retain(|metric| !refusals.contains_key(&metric.definition.key()));
        let batch = Batch::new(wanted.iter().map(|metric| &metric.definition).enumerate());
        let answers = batch.read(cut.as_mut(), &schema, &[*day], &self.lost_sessions).await?;
        let (records, failed) = evaluate(&wanted, &answers, day.date, &stamp);
        let failed = failed.into_iter().chain(refusals.into_values()).collect();
        Ok(Ok(DayRecords { provenance, records, failed, left_out }))
    }
}

/// Returns the provenance that a record of `date` would have if the cut were opened now.
pub(super) fn provenance_now(context: &Context, date: Date) -> Provenance {
    match context.observable(context.now()) == Some(date) {
        true => Provenance::Observed,
        false => Provenance::Reconstructed,
    }
}

/// Splits the metrics into those that can be recorded with this provenance, and those that are left out.
fn split(missing: &[StoredDefinition], provenance: Provenance) -> (Vec<&StoredDefinition>, Vec<LeftOut>) {
    let (wanted, left_out): (Vec<_>, Vec<_>) = missing.iter().partition(|metric| {
        provenance == Provenance::Observed || metric.definition.measure.reconstructible()
    });
    let left_out = left_out.into_iter().map(|metric| LeftOut::not_reconstructible(metric.definition.key()));
    (wanted, left_out.collect())
}

fn evaluate(
    wanted: &[&StoredDefinition],
    answers: &Answers<Vec<Tally>>,
    date: Date,
    stamp: &Stamp,
) -> (Vec<Record>, Vec<Failure>) {
    let (mut records, mut failed) = (Vec::new(), Vec::new());
    for answer in answers.iter() {
        let metric = wanted[answer.metric];
        let category = &metric.definition.category;
        match answer.of_day(0) {
            Err(fault) => failed.push(Failure::of_fault(category, fault)),
            Ok(tallies) => match recording::record(metric, date, &tallies, stamp) {
                Ok(record) => records.push(record),
                Err(error) => failed.push(Failure::of_value(category, error.to_string())),
            },
        }
    }
    (records, failed)
}
