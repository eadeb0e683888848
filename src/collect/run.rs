//! The steps that every run has in common: it takes the lock, closes orphaned runs, logs its start, ends at its
//! deadline, and logs its end in every case.

use std::time::Duration;

use jiff::{Timestamp, civil::Date};
use uuid::Uuid;

use super::{CancellationToken, CollectError, Context, Failure, context::run_limit, failure, orphaned_runs};
use crate::{
    database::{Deadline, TimeLimit},
    store::{Finish, Held, LockName, NewRun, RunFilter, RunKind, RunStatus, StoreError},
};

/// How often the lock is tried before it counts as taken, because a process that closes an orphaned run or checks
/// whether a run is alive holds its lock for a moment.
const LOCK_ATTEMPTS: usize = 5;
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// How long a run may continue after its deadline. Statements end at the deadline; in this time the run evaluates the
/// tallies that it has read. It also bounds steps that do not check the deadline.
const GRACE: Duration = Duration::from_secs(10);

/// Awaits `reading` until it is done, the run is cancelled, or [`GRACE`] after the deadline. `kept` describes what
/// remains recorded when the run ends early.
pub(super) async fn bounded<T>(
    context: &Context,
    deadline: Deadline,
    cancel: &CancellationToken,
    kept: impl Fn() -> String,
    reading: impl Future<Output = Result<T, CollectError>>,
) -> Result<T, CollectError> {
    // Without a limit there is no deadline that could pass.
    let limit = context.installation.run_limit.unwrap_or(run_limit(Duration::MAX));
    stopped_at(deadline.extended(GRACE), limit, cancel, kept, reading).await
}

/// As [`bounded`], stopped at `stop` itself; `limit` is the time limit that the run had.
async fn stopped_at<T>(
    stop: Deadline,
    limit: TimeLimit,
    cancel: &CancellationToken,
    kept: impl Fn() -> String,
    reading: impl Future<Output = Result<T, CollectError>>,
) -> Result<T, CollectError> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(CollectError::Interrupted { kept: kept() }),
        () = stop.passed() => Err(CollectError::DeadlineReached { limit, kept: kept() }),
        outcome = reading => outcome,
    }
}

/// Takes the lock and closes orphaned runs.
pub(crate) async fn lock(context: &Context, name: LockName) -> Result<Box<dyn Held>, CollectError> {
    for attempt in 0..LOCK_ATTEMPTS {
        if attempt > 0 {
            tokio::time::sleep(LOCK_PAUSE).await;
        }
        if let Some(lock) = context.tenant.store.try_lock(&name).await? {
            orphaned_runs::close_orphaned_runs(context, Some(name)).await?;
            return Ok(lock);
        }
    }
    Err(CollectError::busy(name, holder(context, name).await?))
}

async fn holder(context: &Context, name: LockName) -> Result<String, StoreError> {
    let mut page = Some(RunFilter::running());
    while let Some(filter) = page {
        let running = context.tenant.store.runs(&filter).await?;
        if let Some(run) = running.iter().find(|run| run.lock() == name) {
            let since = context.tenant.calendar.display(run.started_at);
            return Ok(format!("process {} on {} since {since}", run.process_id, run.host));
        }
        page = RunFilter::running_after(&running);
    }
    // The holder of the lock has no log entry yet, for example while it reads the platform's first row.
    let holder = context.tenant.store.holder(&name).await?;
    Ok(holder.unwrap_or_else(|| "another process".to_owned()))
}

/// A run that is in the log and must be finished there.
pub(super) struct OpenRun<'a> {
    context: &'a Context,
    pub id: Uuid,
    started_at: Timestamp,
    _lock: Box<dyn Held>,
}

impl<'a> OpenRun<'a> {
    /// Writes the log entry; it is committed when this returns.
    pub async fn start(
        context: &'a Context,
        lock: Box<dyn Held>,
        kind: RunKind,
        from: Date,
        to: Date,
    ) -> Result<Self, CollectError> {
        let (id, started_at) = (Uuid::new_v4(), context.now());
        let host = context.installation.host.clone();
        let run = NewRun {
            id,
            kind,
            from,
            to,
            started_at,
            trigger: context.initiator.trigger,
            actor: context.initiator.actor.clone(),
            host,
            process_id: context.installation.process_id,
        };
        context.tenant.store.start_run(&run).await?;
        Ok(Self { context, id, started_at, _lock: lock })
    }

    /// The end of a run that completed its work, to be committed with its last records. `recorded` counts these records
    /// and those that existed before.
    pub fn finish(&self, recorded: usize, failures: &[Failure]) -> Finish {
        self.end(outcome(recorded, failures.len()), failure::message(failures), failure::details(failures))
    }

    /// Logs the run as failed; the records that it committed are kept. Returns the error to be propagated.
    pub async fn fail(self, error: CollectError) -> CollectError {
        let details = error.fault().map(failure::fault_details);
        let finish = self.end(RunStatus::Failed, Some(error.to_string()), details);
        match self.context.tenant.store.commit(&[], Some(&finish)).await {
            // The log already contains the end of the run.
            Ok(_) | Err(StoreError::RunFinished(_)) => error,
            Err(log_error) => CollectError::Unlogged {
                error: Box::new(error),
                run: self.id,
                log_error: Box::new(log_error),
            },
        }
    }

    /// Releases the lock; returns the id of the run.
    pub fn release(self) -> Uuid {
        self.id
    }

    fn end(
        &self,
        status: RunStatus,
        error_message: Option<String>,
        error_details: Option<serde_json::Map<String, serde_json::Value>>,
    ) -> Finish {
        Finish {
            id: self.id,
            status,
            // A clock that was set back must not make the run end before it began.
            completed_at: self.context.now().max(self.started_at),
            error_message,
            error_details,
        }
    }
}

/// The status of a run that reached the recording of values. `recorded` includes the records of earlier runs: otherwise
/// a backfill that is repeated every night would always fail once a single bad day is all that is missing in its range.
fn outcome(recorded: usize, failures: usize) -> RunStatus {
    match (recorded, failures) {
        (_, 0) => RunStatus::Completed,
        (0, _) => RunStatus::Failed,
        _ => RunStatus::Partial,
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    /// Reading that does not heed the deadline, such as that of a driver that hangs, is dropped.
    #[tokio::test]
    async fn reading_stops_hard_after_the_deadline_and_reports_the_kept_records() {
        let never = CancellationToken::new();
        let kept = || "3 days are kept".to_owned();
        let stop = Deadline::after(Duration::ZERO);
        let limit = run_limit(Duration::from_secs(7 * 60));
        let hung =
            stopped_at(stop, limit, &never, kept, pending::<Result<(), CollectError>>()).await.unwrap_err();
        let message = hung.to_string();
        assert!(message.contains("7 minutes") && message.contains("3 days are kept"), "{message}");
        let in_grace = stop.extended(GRACE);
        assert_eq!(in_grace.remaining().map(|left| left.as_secs_f64().round()), Some(10.0));
        assert!(stopped_at(in_grace, limit, &never, kept, ready(Ok(()))).await.is_ok());
    }
}
