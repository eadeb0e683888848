//! Jobs whose process died before it had ended them. The run of a job holds the lock of its work as long as its process
//! lives, so a job that has not ended and whose lock is free is orphaned.

use jiff::SignedDuration;

use super::{JobResult, Task};
use crate::{
    collect::Context,
    store::{Job, JobEnd, JobFilter, JobStatus, StoreError},
};

/// A job takes its lock a moment after it was made, and lets it go a moment before its end is written.
const MIN_AGE: SignedDuration = SignedDuration::from_mins(1);

/// Closes the jobs of dead processes, those of earlier processes with this one's number and host included.
pub(super) async fn close_orphaned(context: &Context) -> Result<(), StoreError> {
    for status in [JobStatus::Queued, JobStatus::Running] {
        let filter = JobFilter { status: Some(status), ..JobFilter::default() };
        for job in context.tenant.store.jobs(&filter).await? {
            close_if_orphaned(context, &job).await?;
        }
    }
    Ok(())
}

/// Closes `job`, which has not ended and which this process does not do, if its process is dead.
pub(super) async fn close_if_orphaned(context: &Context, job: &Job) -> Result<(), StoreError> {
    let installation = &context.installation;
    let was_ours = job.host == installation.host && job.process_id == installation.process_id;
    let now = context.now();
    if !was_ours && now.duration_since(job.created_at) < MIN_AGE {
        return Ok(());
    }
    // A job that this version cannot read has no lock that could be looked at.
    if let Some(task) = Task::from_spec(&job.spec)
        && context.tenant.store.try_lock(&task.lock()).await?.is_none()
    {
        return Ok(());
    }
    let error = format!("its process ({} on {}) died before it had finished", job.process_id, job.host);
    let result = JobResult { error: Some(error), ..JobResult::default() };
    let end = JobEnd {
        id: job.id,
        status: JobStatus::Interrupted,
        finished_at: now.max(job.created_at).max(job.started_at.unwrap_or(job.created_at)),
        run_id: None,
        result: result.to_json(),
    };
    if context.tenant.store.finish_job(&end).await? {
        tracing::warn!(job = %job.id, process_id = job.process_id, host = job.host, "closed an orphaned job");
    }
    Ok(())
}
