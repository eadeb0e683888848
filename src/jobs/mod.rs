//! Jobs: collections and backfills that go on after the call that started them has returned. A job is in the store from
//! its start to its end, with its trigger and its actor, so that a restarted process still knows it; how far it has come
//! is in the memory of the process that does it.

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
    outcome::{FailedMetric, JobResult, Outcome},
    state::JobState,
    task::Task,
};
use crate::{
    collect::{self, BackfillRequest, Cancellation, Canceller, Context},
    store::{Job, JobEnd, JobStatus, NewJob, StoreError, Trigger},
};

/// Jobs that one process does at once. Each takes connections to both databases and reads a snapshot of the platform,
/// which has other things to do.
pub const MAX_RUNNING: usize = 8;

/// Why a job was not started.
#[derive(Debug, thiserror::Error)]
pub enum JobStartError {
    #[error(
        "{MAX_RUNNING} jobs are at work, which is the most at once; try again when one of them has ended"
    )]
    TooManyRunning,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl JobStartError {
    /// A guess at when it may be worth trying again, where too many are running.
    pub const RETRY_AFTER_S: u64 = 10;
}

/// The jobs of a tenant that this process does.
pub struct Jobs {
    context: Context,
    on_commit: Arc<dyn Fn() + Send + Sync>,
    canceller: Canceller,
    cancellation: Cancellation,
    /// Held while a job is started, so that the same task asked for twice at once is one job.
    starting: tokio::sync::Mutex<()>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Those that run, and those whose end could not be written to the store.
    jobs: Vec<Arc<ActiveJob>>,
    running: JoinSet<()>,
}

/// Ended jobs that are kept in memory because the store did not take their end.
const MAX_UNWRITTEN: usize = 100;

impl Jobs {
    /// `on_commit` is called whenever a job may have committed something.
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

    /// Starts `task`, unless a job of this process is at the very same one: then it is that job. Must be called within a
    /// Tokio runtime.
    ///
    /// # Errors
    /// When [`MAX_RUNNING`] others are running; when the store fails.
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

    /// The job with this id, of this process or of an earlier one. A job whose process died is closed as interrupted.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn get(&self, id: Uuid) -> Result<Option<JobState>, StoreError> {
        if let Some(job) = self.of_this_process(id) {
            return Ok(Some(job.state()));
        }
        let Some(job) = self.context.tenant.store.job(id).await? else { return Ok(None) };
        // It may have been started, or have ended, between the two looks.
        if job.status.is_finished() || self.of_this_process(id).is_some() {
            return Ok(Some(job.into()));
        }
        orphaned::close_if_orphaned(&self.context, &job).await?;
        Ok(self.context.tenant.store.job(id).await?.map(JobState::from))
    }

    /// Closes the jobs of dead processes. To be called before the first job is started.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn close_orphaned(&self) -> Result<(), StoreError> {
        orphaned::close_orphaned(&self.context).await
    }

    fn of_this_process(&self, id: Uuid) -> Option<Arc<ActiveJob>> {
        lock(&self.state).jobs.iter().find(|job| job.id() == id).cloned()
    }

    /// Asks all jobs to end what they are committing.
    pub fn ask_to_stop(&self) {
        self.canceller.cancel();
    }

    /// Asks all jobs to stop, and waits until they have closed their log entries.
    pub async fn stop(&self) {
        self.ask_to_stop();
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

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
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

async fn work(context: Context, job: Arc<ActiveJob>, cancellation: Cancellation, state: Arc<Mutex<State>>) {
    let outcome = AssertUnwindSafe(run(&context, &job, &cancellation)).catch_unwind().await;
    // The panic's own message was written by the panic hook.
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
