//! Executes a job in a task of its own, from its start in the store to its end there.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use parking_lot::Mutex;

use super::{
    JobError, Outcome, RestateTask, Task,
    active::{ActiveJob, ActiveJobs},
};
use crate::{
    collect::{self, BackfillRequest, CancellationToken, Context},
    corrections::{RestateError, RestateReading},
    store::{JobEnd, JobStatus, Trigger},
};

/// How often writing an end is tried again.
const REWRITE_INTERVAL: Duration = Duration::from_secs(5);

/// Executes a job, and writes its end to the store.
pub(super) async fn execute(
    context: Context,
    job: Arc<ActiveJob>,
    state: Arc<Mutex<ActiveJobs>>,
    stop: CancellationToken,
) {
    let outcome = AssertUnwindSafe(run(&context, &job)).catch_unwind().await;
    // The panic hook has already written the panic's message.
    let outcome = outcome.unwrap_or_else(|_| Outcome::failed());
    if matches!(job.task, Task::Collect { .. }) && outcome.status != JobStatus::Busy {
        job.set_progress(1, 1);
    }
    let end = JobEnd {
        id: job.id(),
        status: outcome.status,
        finished_at: context.now().max(job.queued.created_at),
        run_id: outcome.run,
        result: outcome.result(job.progress()).to_json(),
    };
    let written = context.tenant.store.finish_job(&end).await;
    job.committed();
    job.outcome.send_replace(Some(outcome));
    if let Err(error) = written {
        tracing::error!(%error, job = %job.id(), "the end of a job could not be written to the store; it is tried again");
        state.lock().forget_oldest_unwritten();
        tokio::select! {
            () = stop.cancelled() => return,
            () = write_later(&context, &end, &state) => {}
        }
    }
    state.lock().jobs.retain(|other| other.id() != job.id());
}

/// Tries to write the end of a job until the store takes it, or the job is forgotten.
async fn write_later(context: &Context, end: &JobEnd, state: &Mutex<ActiveJobs>) {
    while state.lock().jobs.iter().any(|job| job.id() == end.id) {
        tokio::time::sleep(REWRITE_INTERVAL).await;
        if context.tenant.store.finish_job(end).await.is_ok() {
            tracing::info!(job = %end.id, "the end of a job is written now");
            return;
        }
    }
}

async fn run(context: &Context, job: &ActiveJob) -> Outcome {
    let cancellation = &job.cancellation;
    let started_at = *job.started_at.get_or_init(|| context.now());
    if let Err(error) = context.tenant.store.start_job(job.id(), started_at).await {
        return Outcome::of_error(&job.task, JobError::Collect(error.into()));
    }
    let outcome: Result<Outcome, JobError> = match &job.task {
        Task::Collect { date, metrics } => {
            job.set_progress(1, 0);
            let collected = match context.initiator.trigger {
                // The scheduler spaces its attempts itself.
                Trigger::Schedule | Trigger::CatchUp => {
                    collect::collect_day(context, Some(*date), metrics, cancellation).await
                }
                Trigger::Api | Trigger::Cli => {
                    collect::collect_if_due(context, Some(*date), metrics, cancellation).await
                }
            };
            collected.map(Outcome::of_day).map_err(JobError::from)
        }
        Task::Backfill { from, to, metrics } => {
            let request =
                BackfillRequest { from: *from, to: *to, only: metrics.clone(), ..BackfillRequest::default() };
            let filled = collect::backfill(context, &request, job, cancellation).await;
            filled.map(Outcome::of_backfill).map_err(JobError::from)
        }
        Task::Restate(task) => restate(context, job, task).await.map_err(JobError::from),
    };
    let outcome = outcome.unwrap_or_else(|error| Outcome::of_error(&job.task, error));
    log_end(job, &outcome);
    outcome
}

/// Logs how a job ended, unless its error has been logged.
fn log_end(job: &ActiveJob, outcome: &Outcome) {
    if outcome.error.is_some() {
        return;
    }
    let (kind, days, status) = (job.task.kind().name(), job.task.days(), outcome.status.name());
    let (recorded, failed) = (outcome.recorded, outcome.failed.len());
    match outcome.status {
        JobStatus::Partial | JobStatus::Failed => {
            let first = outcome.failed.first();
            let cause = first.map(|failure| format!("{}: {}", failure.category, failure.message));
            tracing::warn!(kind, days, status, recorded, failed, cause, "a job has ended");
        }
        _ => tracing::info!(kind, days, status, recorded, "a job has ended"),
    }
}

async fn restate(context: &Context, job: &ActiveJob, task: &RestateTask) -> Result<Outcome, RestateError> {
    let reading = RestateReading::read(context, &task.request(), job, &job.cancellation).await?;
    let restatement = match task.dry_run {
        true => reading.compare(context, &job.cancellation).await?,
        false => reading.write(context, &task.reason, job, &job.cancellation).await?,
    };
    if task.dry_run {
        let (total, _) = job.progress();
        job.set_progress(total, total);
    }
    Ok(Outcome::of_restatement(&restatement, task.dry_run))
}
