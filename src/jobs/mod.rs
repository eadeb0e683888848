//! Jobs: collections and backfills that continue after the call that started them has returned. The store contains each
//! job with its trigger and actor, so that a restarted process still knows it; its progress is only in the memory of
//! the process that runs it.

mod active;
mod orphaned;
mod outcome;
mod state;
mod task;

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::FutureExt;
use tokio::task::JoinSet;
use uuid::Uuid;

pub use self::{
    active::ActiveJob,
    outcome::{JobFailure, JobResult, Outcome},
    state::JobState,
    task::Task,
};
use crate::{
    collect::{self, BackfillRequest, Cancellation, Canceller, Context},
    store::{Job, JobEnd, JobStatus, NewJob, StoreError, Trigger},
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
    canceller: Canceller,
    cancellation: Cancellation,
    /// This lock is held while a job is started, so that two concurrent requests for the same task share one job.
    starting: tokio::sync::Mutex<()>,
    state: Arc<Mutex<ActiveJobs>>,
}

#[derive(Default)]
struct ActiveJobs {
    /// The running jobs, and those whose end could not be written to the store.
    jobs: Vec<Arc<ActiveJob>>,
    running: JoinSet<()>,
}

/// The most ended jobs that are kept in memory because their end could not be written to the store.
const MAX_UNWRITTEN: usize = 100;

impl JobRunner {
    /// Creates the jobs of a tenant. `on_commit` is called whenever a job may have committed something.
    pub fn new(context: Context, on_commit: impl Fn() + Send + Sync + 'static) -> Self {
        let (canceller, cancellation) = Cancellation::new();
        Self {
            context,
            on_commit: Arc::new(on_commit),
            canceller,
            cancellation,
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
            let state = lock(&self.state);
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
        let job = Arc::new(ActiveJob::new(as_stored(queued), task, Arc::clone(&self.on_commit)));
        let mut state = lock(&self.state);
        state.jobs.push(Arc::clone(&job));
        while state.running.try_join_next().is_some() {}
        state.running.spawn(work(
            context,
            Arc::clone(&job),
            self.cancellation.clone(),
            Arc::clone(&self.state),
        ));
        Ok(job)
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
        lock(&self.state).jobs.iter().filter(|job| job.is_running()).map(|job| job.state()).collect()
    }

    fn of_this_process(&self, id: Uuid) -> Option<Arc<ActiveJob>> {
        lock(&self.state).jobs.iter().find(|job| job.id() == id).cloned()
    }

    /// Requests that all jobs stop after their current commit.
    pub fn request_stop(&self) {
        self.canceller.cancel();
    }

    /// Requests that all jobs stop, and waits until they have closed their log entries.
    pub async fn stop(&self) {
        self.request_stop();
        let mut running = std::mem::take(&mut lock(&self.state).running);
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

fn lock(state: &Mutex<ActiveJobs>) -> std::sync::MutexGuard<'_, ActiveJobs> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
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

async fn work(
    context: Context,
    job: Arc<ActiveJob>,
    cancellation: Cancellation,
    state: Arc<Mutex<ActiveJobs>>,
) {
    let outcome = AssertUnwindSafe(run(&context, &job, &cancellation)).catch_unwind().await;
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
    let mut state = lock(&state);
    match written {
        Ok(_) => state.jobs.retain(|other| other.id() != job.id()),
        Err(error) => {
            tracing::error!(%error, job = %job.id(), "the end of a job could not be written to the store");
            let ended = state.jobs.iter().filter(|job| !job.is_running()).count();
            if ended > MAX_UNWRITTEN
                && let Some(oldest) = state.jobs.iter().position(|job| !job.is_running())
            {
                state.jobs.remove(oldest);
            }
        }
    }
}

async fn run(context: &Context, job: &ActiveJob, cancellation: &Cancellation) -> Outcome {
    let started_at = *job.started_at.get_or_init(|| context.now());
    if let Err(error) = context.tenant.store.start_job(job.id(), started_at).await {
        return Outcome::of_error(error.into());
    }
    let outcome = match &job.task {
        Task::Collect { date, metrics } => {
            job.set_progress(1, 0);
            collect::collect_if_due(context, Some(*date), metrics, cancellation).await.map(Outcome::of_day)
        }
        Task::Backfill { from, to, metrics } => {
            let request =
                BackfillRequest { from: *from, to: *to, only: metrics.clone(), ..BackfillRequest::default() };
            collect::backfill(context, &request, job, cancellation).await.map(Outcome::of_backfill)
        }
    };
    outcome.unwrap_or_else(Outcome::of_error)
}
