//! Closes jobs whose process ended unexpectedly. The run of a job holds its lock until its process ends, so a job that
//! has not ended and whose lock is free is orphaned.

use jiff::SignedDuration;

use super::{JobResult, Task};
use crate::{
    collect::Context,
    store::{Job, JobEnd, JobFilter, JobStatus, StoreError},
};

/// The age from which a job can be orphaned, because a job takes its lock shortly after it was created, and releases it
/// shortly before its end is written.
const MIN_AGE: SignedDuration = SignedDuration::from_secs(10);

/// Closes the jobs of processes that ended, including earlier processes with the same id and host as this one.
pub(super) async fn close_orphaned(context: &Context) -> Result<(), StoreError> {
    for status in [JobStatus::Queued, JobStatus::Running] {
        let filter = JobFilter { status: Some(status), ..JobFilter::default() };
        for job in context.tenant.store.jobs(&filter).await? {
            close_if_orphaned(context, &job).await?;
        }
    }
    Ok(())
}

/// Closes `job`, which has not ended and is not one of this process, if its process has ended.
pub(super) async fn close_if_orphaned(context: &Context, job: &Job) -> Result<(), StoreError> {
    let installation = &context.installation;
    let was_ours = job.host == installation.host && job.process_id == installation.process_id;
    let now = context.now();
    if !was_ours && now.duration_since(job.created_at) < MIN_AGE {
        return Ok(());
    }
    // The lock of a job whose task this version cannot read is unknown, so such a job counts as orphaned.
    if let Some(task) = Task::from_spec(&job.spec)
        && context.tenant.store.try_lock(&task.lock()).await?.is_none()
    {
        return Ok(());
    }
    let error = format!("its process ({} on {}) ended before the job finished", job.process_id, job.host);
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
