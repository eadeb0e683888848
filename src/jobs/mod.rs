//! Jobs: collections, backfills and restatements that continue after the call that started them has returned. The store contains each
//! job with its trigger and actor, so that a restarted process still knows it; its progress is only in the memory of
//! the process that runs it.

mod active;
mod execute;
mod orphaned;
mod outcome;
mod state;
mod task;

use std::sync::Arc;

use parking_lot::Mutex;
use uuid::Uuid;

pub use self::{
    active::ActiveJob,
    outcome::{JobError, JobFailure, JobResult, Outcome, RestatedValue, RestatementSummary},
    state::JobState,
    task::{RestateTask, Task},
};
use self::{active::ActiveJobs, execute::execute};
use crate::{
    collect::{CancellationToken, Context},
    store::{Job, JobStatus, NewJob, StoreError, Trigger},
};

/// The most jobs that one process runs at once. Each takes connections to both databases, and holds a snapshot of the
/// platform.
pub const MAX_RUNNING: usize = 8;

/// Why a job was not started.
#[derive(Debug, thiserror::Error)]
pub enum JobStartError {
    #[error("{MAX_RUNNING} jobs are running, which is the limit; try again when one of them has ended")]
    TooManyRunning,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl JobStartError {
    /// The seconds after which a retry is suggested when too many jobs are running.
    pub const RETRY_AFTER_S: u64 = 10;
}

/// The jobs of a tenant in this process.
pub struct JobRunner {
    context: Context,
    on_commit: Arc<dyn Fn() + Send + Sync>,
    /// The parent of the cancellation tokens of all jobs.
    cancellation: CancellationToken,
    /// This lock is held while a job is started, so that two concurrent requests for the same task share one job.
    starting: tokio::sync::Mutex<()>,
    state: Arc<Mutex<ActiveJobs>>,
}

impl JobRunner {
    /// Creates the jobs of a tenant. `on_commit` is called whenever a job may have committed something.
    pub fn new(context: Context, on_commit: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            context,
            on_commit: Arc::new(on_commit),
            cancellation: CancellationToken::new(),
            starting: tokio::sync::Mutex::default(),
            state: Arc::default(),
        }
    }

    /// Starts `task`, or returns the job of this process that is already running the same task. It must be called
    /// within a Tokio runtime.
    ///
    /// # Errors
    /// When [`MAX_RUNNING`] other jobs are running, or when the store fails.
    pub async fn start(
        &self,
        task: Task,
        trigger: Trigger,
        actor: &str,
    ) -> Result<Arc<ActiveJob>, JobStartError> {
        let task = task.normalized();
        let _starting = self.starting.lock().await;
        {
            let state = self.state.lock();
            let running = || state.jobs.iter().filter(|job| job.is_running());
            if let Some(job) = running().find(|job| job.task == task) {
                return Ok(Arc::clone(job));
            }
            if running().count() >= MAX_RUNNING {
                return Err(JobStartError::TooManyRunning);
            }
        }
        let context = self.context.started_by(trigger, actor);
        let queued = self.new_job(&context, &task);
        context.tenant.store.add_job(&queued).await?;
        let (on_commit, cancellation) = (Arc::clone(&self.on_commit), self.cancellation.child_token());
        let job = Arc::new(ActiveJob::new(as_stored(queued), task, on_commit, cancellation));
        let mut state = self.state.lock();
        state.jobs.push(Arc::clone(&job));
        while state.running.try_join_next().is_some() {}
        let (job_state, stop) = (Arc::clone(&self.state), self.cancellation.clone());
        state.running.spawn(execute(context, Arc::clone(&job), job_state, stop));
        Ok(job)
    }

    /// Requests that a job of this process stops after its current commit. `false` if this process does not run it.
    pub fn request_stop_of(&self, id: Uuid) -> bool {
        let job = self.of_this_process(id).filter(|job| job.is_running());
        job.is_some_and(|job| {
            job.request_stop();
            true
        })
    }

    /// Returns the job with this id, of this process or of another one. A job whose process ended unexpectedly is
    /// closed as interrupted.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn get(&self, id: Uuid) -> Result<Option<JobState>, StoreError> {
        if let Some(job) = self.of_this_process(id) {
            return Ok(Some(job.state()));
        }
        let Some(job) = self.context.tenant.store.job(id).await? else { return Ok(None) };
        // The job may have been started, or have ended, between the first check and the query.
        if job.status.is_finished() || self.of_this_process(id).is_some() {
            return Ok(Some(job.into()));
        }
        orphaned::close_if_orphaned(&self.context, &job).await?;
        Ok(self.context.tenant.store.job(id).await?.map(JobState::from))
    }

    /// Closes the jobs of processes that ended unexpectedly. It must be called before the first job is started.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn close_orphaned(&self) -> Result<(), StoreError> {
        orphaned::close_orphaned(&self.context).await
    }

    /// The jobs that this process is running.
    pub fn running(&self) -> Vec<JobState> {
        self.state.lock().jobs.iter().filter(|job| job.is_running()).map(|job| job.state()).collect()
    }

    fn of_this_process(&self, id: Uuid) -> Option<Arc<ActiveJob>> {
        self.state.lock().jobs.iter().find(|job| job.id() == id).cloned()
    }

    /// Requests that all jobs stop after their current commit.
    pub fn request_stop(&self) {
        self.cancellation.cancel();
    }

    /// Requests that all jobs stop, and waits until they have closed their log entries.
    pub async fn stop(&self) {
        self.request_stop();
        let mut running = std::mem::take(&mut self.state.lock().running);
        while running.join_next().await.is_some() {}
    }

    fn new_job(&self, context: &Context, task: &Task) -> NewJob {
        NewJob {
            id: Uuid::new_v4(),
            kind: task.kind(),
            spec: task.spec(),
            trigger: context.initiator.trigger,
            actor: context.initiator.actor.clone(),
            created_at: context.now(),
            host: context.installation.host.clone(),
            process_id: context.installation.process_id,
        }
    }
}

fn as_stored(job: NewJob) -> Job {
    let NewJob { id, kind, spec, trigger, actor, created_at, host, process_id } = job;
    Job {
        id,
        kind,
        spec,
        trigger,
        actor,
        status: JobStatus::Queued,
        created_at,
        started_at: None,
        finished_at: None,
        host,
        process_id,
        run_id: None,
        result: None,
    }
}
