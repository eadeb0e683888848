//! Backfills reconstruct the missing days from the platform's present rows. A backfill reads each source once for the
//! whole range, all from one cut, and commits in chunks, so that an interrupted run keeps what it has committed and the
//! next one continues from there.

mod bisect;
mod failures;
mod missing;
mod range;
mod reading;
mod report;
mod request;

use std::{collections::HashMap, time::Instant};

use jiff::civil::Date;

pub use self::{
    report::{BackfillReport, MetricCount},
    request::BackfillRequest,
};

use self::{
    failures::Failures,
    missing::Missing,
    range::BackfillRange,
    reading::{BackfillReading, Plan},
};
use super::{
    CancellationToken, CollectError, Context, EarlierMeaning, Failure, LeftOut,
    earlier_meanings::earlier_meanings,
    freshness, judging,
    own_clock::{require_clock_of_platform, require_clock_of_store},
    reconstruction_caveats::reconstruction_caveats,
    recording,
    run::{self, OpenRun},
    selection, verify,
};
use crate::{
    metric::{DayBounds, MetricKey},
    store::{LockName, RunKind, RunStatus, StoredDefinition},
};

/// The most records that are committed at once. They are held in memory, and writing them takes about 0.1 s; that much
/// work is lost when a run is interrupted, and other writers of a SQLite store wait for that long.
const MAX_CHUNK_RECORDS: usize = 5_000;

/// Receives the progress of a backfill.
pub trait Progress: Send + Sync {
    /// Called before the platform is read, which is one pass for the whole range.
    fn reading(&self, metrics: usize, days: usize);
    /// Called when everything was read and `total_days` days are to be written.
    fn started(&self, total_days: usize);
    /// Called when `days` more days are committed.
    fn advanced(&self, days: usize);
}

/// The work of a backfill: its range, and the records that the range lacks.
struct Work {
    range: BackfillRange,
    days: Vec<DayBounds>,
    missing: Vec<Missing>,
    left_out: Vec<LeftOut>,
    earlier_meanings: Vec<EarlierMeaning>,
}

/// The part of the work that is done.
#[derive(Default)]
struct Done {
    /// The number of records of the range that existed before.
    already_there: usize,
    written: HashMap<MetricKey, usize>,
    total: usize,
    failures: Failures,
}

/// Records the missing days of a range.
///
/// # Errors
/// When nothing can be recorded: an unfinished day in the range, no row to start from, another backfill running, the
/// platform or the store unreachable. When the backfill is cancelled or the store fails during it, the committed chunks
/// stay, and running it again continues from there.
pub async fn backfill(
    context: &Context,
    request: &BackfillRequest,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<BackfillReport, CollectError> {
    let started = Instant::now();
    let metrics = selection::select(context, &request.only).await?;
    selection::require_time_zone(context, &metrics)?;
    if request.dry_run {
        let work = Work::find(context, request, metrics).await?;
        return Ok(work.report(&Done::default(), started));
    }
    let lock = run::lock(context, LockName::Backfill).await?;
    let work = Work::find(context, request, metrics).await?;
    if work.missing.iter().all(|missing| missing.days.is_empty()) {
        let report = work.report(&Done::default(), started);
        return Ok(BackfillReport { status: Some(RunStatus::Completed), ..report });
    }
    require_clock_of_store(context, work.range.to).await?;
    let run = OpenRun::start(context, lock, RunKind::Backfill, work.range.from, work.range.to).await?;
    let mut done = Done { already_there: work.already_there(), ..Done::default() };
    let status = match fill(context, &run, &work, &mut done, progress, cancel).await {
        Ok(status) => status,
        Err(error) => return Err(run.fail(error).await),
    };
    let discrepancies = match done.total {
        0 => Vec::new(),
        _ => verify::verify(context, run.id, &work.filled(&done), &work.days).await,
    };
    let run = run.release();
    let written = done.written.keys().cloned().collect();
    judging::after_reconstruction(context, written, work.range.from, work.range.to).await;
    Ok(BackfillReport { run: Some(run), status: Some(status), discrepancies, ..work.report(&done, started) })
}

/// Reads everything and commits it chunk by chunk; the last commit also ends the run's log entry.
async fn fill(
    context: &Context,
    run: &OpenRun<'_>,
    work: &Work,
    done: &mut Done,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<RunStatus, CollectError> {
    let days = missing::days(&work.missing);
    let last_day = days.last().copied().unwrap_or(work.range.to);
    let last_day = context.require_finished(last_day)?;
    progress.reading(work.missing.len(), days.len());
    let deadline = context.deadline();
    let plan = Plan::new(context, run.id, deadline, &work.missing, last_day);
    let reading = async {
        require_clock_of_platform(context, last_day.date).await?;
        freshness::when_fresh(context, last_day.date, &plan.lost_sessions, |may_wait| plan.read(may_wait))
            .await
    };
    let reading = run::bounded(context, deadline, cancel, || kept(0, days.len()), reading).await?;
    done.failures = reading.failures();
    progress.started(days.len());
    let (mut written_days, mut status) = (0, RunStatus::Running);
    for chunk in days.chunks(days_at_once(context.installation.chunk_days, work.missing.len())) {
        if cancel.is_cancelled() {
            return Err(CollectError::Interrupted { kept: kept(written_days, days.len()) });
        }
        written_days += chunk.len();
        let is_last = written_days == days.len();
        status = commit(context, run, work, &reading, chunk, is_last, done).await?;
        progress.advanced(chunk.len());
    }
    Ok(status)
}

/// Returns how many days are committed at once: at least 1, at most `chunk_days`, and at most [`MAX_CHUNK_RECORDS`]
/// records if every metric lacks every day.
fn days_at_once(chunk_days: usize, metrics: usize) -> usize {
    chunk_days.min(MAX_CHUNK_RECORDS / metrics.max(1)).max(1)
}

/// Commits the records of a chunk; with the last chunk also the end of the run. Returns the run's status.
async fn commit(
    context: &Context,
    run: &OpenRun<'_>,
    work: &Work,
    reading: &BackfillReading<'_>,
    chunk: &[Date],
    is_last: bool,
    done: &mut Done,
) -> Result<RunStatus, CollectError> {
    let records = match chunk {
        [first, .., last] => reading.records(*first, *last, &mut done.failures),
        [only] => reading.records(*only, *only, &mut done.failures),
        [] => Vec::new(),
    };
    let before = done.already_there + done.total;
    let finish = |refused: &[Failure]| {
        let failures = [done.failures.list(), refused.to_vec()].concat();
        is_last.then(|| run.finish(before + records.len() - refused.len(), &failures))
    };
    let committed = recording::commit(context, &records, finish).await?;
    for (_, key) in committed.written {
        *done.written.entry(key).or_default() += 1;
        done.total += 1;
    }
    for failure in committed.refused {
        let of_metric = |missing: &Missing| missing.metric.definition.category == failure.category;
        if let (Some(member), [first, ..]) = (work.missing.iter().position(of_metric), chunk) {
            let last = chunk.last().unwrap_or(first);
            done.failures.add_days(member, failure, *first, *last, chunk.len());
        }
    }
    Ok(committed.finish.map_or(RunStatus::Running, |finish| finish.status))
}

fn kept(done: usize, total: usize) -> String {
    format!("{done} of {total} days are recorded and stay; run it again to record the rest")
}

impl Work {
    async fn find(
        context: &Context,
        request: &BackfillRequest,
        metrics: Vec<StoredDefinition>,
    ) -> Result<Self, CollectError> {
        let range = range::resolve(context, request, &metrics).await?;
        let days = context.tenant.calendar.days(range.from, range.to);
        let recorded = context.tenant.store.recorded(range.from, range.to).await?;
        let (metrics, left_out): (Vec<_>, Vec<_>) =
            metrics.into_iter().partition(|metric| metric.definition.measure.reconstructible());
        let left_out = left_out.iter().map(|metric| LeftOut::not_reconstructible(metric.definition.key()));
        let definitions: Vec<_> = metrics.iter().map(|metric| &metric.definition).collect();
        let store = context.tenant.store.as_ref();
        let earlier_meanings = earlier_meanings(store, &definitions, range.from, range.to).await?;
        let missing = missing::find(metrics, &days, &recorded);
        Ok(Self { range, left_out: left_out.collect(), missing, days, earlier_meanings })
    }

    fn already_there(&self) -> usize {
        self.missing.iter().map(|missing| missing.already_there).sum()
    }

    /// The metrics that should have a record of every day now.
    fn filled(&self, done: &Done) -> Vec<&StoredDefinition> {
        let all = self.missing.iter().enumerate();
        let filled = all.filter(|(index, _)| !done.failures.contains(*index));
        filled.map(|(_, missing)| &missing.metric).collect()
    }

    fn report(&self, done: &Done, started: Instant) -> BackfillReport {
        let count = |missing: &Missing| {
            let key = missing.metric.definition.key();
            let written = done.written.get(&key).copied().unwrap_or(0);
            MetricCount { key, missing: missing.days.len(), written, already_there: missing.already_there }
        };
        let incomplete = self.missing.iter().filter(|missing| !missing.days.is_empty());
        BackfillReport {
            run: None,
            status: None,
            from: self.range.from,
            to: self.range.to,
            clipped_to: self.range.clipped_to.clone(),
            days: self.days.len(),
            missing_days: missing::days(&self.missing).len(),
            metrics: self.missing.iter().map(count).collect(),
            failed: done.failures.list(),
            left_out: self.left_out.clone(),
            cannot_know: reconstruction_caveats(incomplete.map(|missing| &missing.metric.definition)),
            earlier_meanings: self.earlier_meanings.clone(),
            discrepancies: Vec::new(),
            duration: started.elapsed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_bounded_in_days_and_in_records() {
        assert_eq!(days_at_once(366, 5), 366);
        assert_eq!(days_at_once(366, 200), 25);
        assert_eq!(days_at_once(7, 200), 7);
        assert_eq!(days_at_once(366, 100_000), 1, "a day is not divided");
        assert_eq!(days_at_once(0, 0), 1);
    }
}
