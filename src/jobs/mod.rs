//! Jobs: collections, backfills and restatements that continue after the call that started them has returned. The store contains each
//! job with its trigger and actor, so that a restarted process still knows it; its progress is only in the memory of
//! the process that runs it.

mod active;
mod orphaned;
mod outcome;
mod state;
mod task;

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use uuid::Uuid;

pub use self::{
    active::ActiveJob,
    outcome::{JobError, JobFailure, JobResult, Outcome, RestatedValue, RestatementSummary},
    state::JobState,
    task::{RestateTask, Task},
};
use crate::{
    collect::{self, BackfillRequest, CancellationToken, Context},
    corrections::{RestateError, RestateReading},
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
    /// The parent of the cancellation tokens of all jobs.
    cancellation: CancellationToken,
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
/// How often writing such an end is tried again.
const REWRITE_INTERVAL: Duration = Duration::from_secs(5);

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
        state.running.spawn(work(context, Arc::clone(&job), job_state, stop));
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

async fn work(context: Context, job: Arc<ActiveJob>, state: Arc<Mutex<ActiveJobs>>, stop: CancellationToken) {
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
        forget_oldest_unwritten(&mut state.lock());
        tokio::select! {
            () = stop.cancelled() => return,
            () = write_later(&context, &end, &state) => {}
        }
    }
    state.lock().jobs.retain(|other| other.id() != job.id());
}

fn forget_oldest_unwritten(state: &mut ActiveJobs) {
    let ended = state.jobs.iter().filter(|job| !job.is_running()).count();
    if ended > MAX_UNWRITTEN
        && let Some(oldest) = state.jobs.iter().position(|job| !job.is_running())
    {
        state.jobs.remove(oldest);
    }
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
