//! Runs that a request started: they go on after it was answered, and can be asked how far they are.

use std::{
    collections::VecDeque,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::FutureExt;
use jiff::{Timestamp, civil::Date};
use serde::Serialize;
use tokio::{sync::watch, task::JoinSet};
use utoipa::ToSchema;
use uuid::Uuid;

use super::cache::OwnChanges;
use crate::{
    collect::{
        self, BackfillReport, BackfillRequest, Cancellation, Canceller, CollectError, Context, DayReport,
        Failure,
    },
    store::RunStatus,
};

/// Finished jobs that can still be asked for. What they did is in the collection log for good.
const KEPT: usize = 1000;

/// Jobs that may run at once. Each takes connections to both databases and reads a snapshot of the platform, which has
/// other things to do.
pub const MAX_RUNNING: usize = 8;

/// What a job is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    Collect { date: Date, metrics: Vec<String> },
    Backfill { from: Option<Date>, to: Option<Date>, metrics: Vec<String> },
}

impl Task {
    /// With the metrics in one order and each once, so that the same task is equal however it was written.
    fn normalized(mut self) -> Self {
        let (Self::Collect { metrics, .. } | Self::Backfill { metrics, .. }) = &mut self;
        metrics.sort_unstable();
        metrics.dedup();
        self
    }
}

/// Why a job was not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{MAX_RUNNING} runs are at work, which is the most at once; try again when one of them has ended")]
pub struct TooManyRunning;

impl TooManyRunning {
    /// A guess at when it may be worth trying again.
    pub const RETRY_AFTER_S: u64 = 10;
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    Running,
    Completed,
    /// Some of what was asked for is recorded, by this job or before it, and some failed.
    Partial,
    Failed,
    /// Nothing was done, as another process is at it.
    Busy,
    /// The server was stopped. What was committed is kept.
    Interrupted,
}

/// What became of a job.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub status: JobStatus,
    pub finished_at: Timestamp,
    /// The entry in the collection log, if it came to that.
    pub run: Option<Uuid>,
    /// Records written.
    pub recorded: usize,
    pub already_there: usize,
    pub failed: Vec<Failure>,
    /// Why the job as a whole failed.
    pub error: Option<Arc<CollectError>>,
}

impl Outcome {
    fn failed(finished_at: Timestamp) -> Self {
        Self {
            status: JobStatus::Failed,
            finished_at,
            run: None,
            recorded: 0,
            already_there: 0,
            failed: Vec::new(),
            error: None,
        }
    }
}

pub struct Job {
    pub id: Uuid,
    pub task: Task,
    pub started_at: Timestamp,
    total_days: AtomicUsize,
    done_days: AtomicUsize,
    outcome: watch::Sender<Option<Outcome>>,
    changes: OwnChanges,
}

impl Job {
    /// Days that were to be written, as soon as that is known, and days that are.
    pub fn progress(&self) -> (usize, usize) {
        (self.total_days.load(Ordering::Relaxed), self.done_days.load(Ordering::Relaxed))
    }

    /// `None` while it runs.
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome.borrow().clone()
    }

    /// Returns when it has ended.
    pub async fn finished(&self) -> Outcome {
        let mut outcome = self.outcome.subscribe();
        // The sender is this job's own: it is there as long as anybody waits.
        match outcome.wait_for(Option::is_some).await.map(|outcome| outcome.clone()) {
            Ok(Some(outcome)) => outcome,
            _ => std::future::pending().await,
        }
    }
}

impl collect::Progress for Job {
    fn reading(&self, _metrics: usize, days: usize) {
        self.total_days.store(days, Ordering::Relaxed);
    }

    fn started(&self, total_days: usize) {
        self.total_days.store(total_days, Ordering::Relaxed);
    }

    fn advanced(&self, days: usize) {
        self.changes.happened();
        self.done_days.fetch_add(days, Ordering::Relaxed);
    }
}

/// All jobs of a server.
pub struct Jobs {
    context: Context,
    changes: OwnChanges,
    canceller: Canceller,
    cancellation: Cancellation,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Newest last.
    jobs: VecDeque<Arc<Job>>,
    running: JoinSet<()>,
}

impl Jobs {
    /// `changes` hears of everything that a job may have committed.
    pub fn new(context: Context, changes: OwnChanges) -> Self {
        let (canceller, cancellation) = Cancellation::new();
        Self { context, changes, canceller, cancellation, state: Mutex::default() }
    }

    /// Starts `task`, unless a job is at the very same one: then it is that job. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// When [`MAX_RUNNING`] others are running.
    pub fn start(&self, task: Task) -> Result<Arc<Job>, TooManyRunning> {
        let task = task.normalized();
        let mut state = self.lock();
        let is_running = |job: &&Arc<Job>| job.outcome.borrow().is_none();
        if let Some(job) = state.jobs.iter().filter(is_running).find(|job| job.task == task) {
            return Ok(Arc::clone(job));
        }
        if state.jobs.iter().filter(is_running).count() >= MAX_RUNNING {
            return Err(TooManyRunning);
        }
        let job = Arc::new(Job {
            id: Uuid::new_v4(),
            task,
            started_at: self.context.now(),
            total_days: AtomicUsize::new(0),
            done_days: AtomicUsize::new(0),
            outcome: watch::Sender::new(None),
            changes: self.changes.clone(),
        });
        while state.jobs.len() >= KEPT {
            let Some(finished) = state.jobs.iter().position(|job| job.outcome.borrow().is_some()) else {
                break;
            };
            state.jobs.remove(finished);
        }
        state.jobs.push_back(Arc::clone(&job));
        while state.running.try_join_next().is_some() {}
        state.running.spawn(work(self.context.clone(), Arc::clone(&job), self.cancellation.clone()));
        Ok(job)
    }

    pub fn get(&self, id: Uuid) -> Option<Arc<Job>> {
        self.lock().jobs.iter().find(|job| job.id == id).cloned()
    }

    /// Asks all jobs to end what they are committing.
    pub fn ask_to_stop(&self) {
        self.canceller.cancel();
    }

    /// Asks all jobs to stop, and waits until they have closed their log entries.
    pub async fn stop(&self) {
        self.ask_to_stop();
        let mut running = std::mem::take(&mut self.lock().running);
        while running.join_next().await.is_some() {}
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn work(context: Context, job: Arc<Job>, cancellation: Cancellation) {
    let outcome = AssertUnwindSafe(run(&context, &job, &cancellation)).catch_unwind().await;
    // The panic's own message was written by the panic hook. A job without an outcome would run for ever.
    let outcome = outcome.unwrap_or_else(|_| Outcome::failed(context.now()));
    if matches!(job.task, Task::Collect { .. }) && outcome.status != JobStatus::Busy {
        job.done_days.store(1, Ordering::Relaxed);
    }
    job.changes.happened();
    job.outcome.send_replace(Some(outcome));
}

async fn run(context: &Context, job: &Job, cancellation: &Cancellation) -> Outcome {
    let outcome = match &job.task {
        Task::Collect { date, metrics } => {
            job.total_days.store(1, Ordering::Relaxed);
            let report = collect::collect_day(context, Some(*date), metrics, cancellation).await;
            report.map(|report| of_day(&report, context.now()))
        }
        Task::Backfill { from, to, metrics } => {
            let request = BackfillRequest { from: *from, to: *to, only: metrics.clone(), dry_run: false };
            let report = collect::backfill(context, &request, job, cancellation).await;
            report.map(|report| of_backfill(&report, context.now()))
        }
    };
    outcome.unwrap_or_else(|error| of_error(error, context.now()))
}

fn of_status(status: Option<RunStatus>) -> JobStatus {
    match status {
        Some(RunStatus::Partial) => JobStatus::Partial,
        Some(RunStatus::Failed) => JobStatus::Failed,
        _ => JobStatus::Completed,
    }
}

fn of_day(report: &DayReport, finished_at: Timestamp) -> Outcome {
    Outcome {
        status: of_status(Some(report.status)),
        finished_at,
        run: Some(report.run),
        recorded: report.recorded.len(),
        already_there: report.already_there,
        failed: report.failed.clone(),
        error: None,
    }
}

fn of_backfill(report: &BackfillReport, finished_at: Timestamp) -> Outcome {
    Outcome {
        status: of_status(report.status),
        finished_at,
        run: report.run,
        recorded: report.metrics.iter().map(|metric| metric.written).sum(),
        already_there: report.metrics.iter().map(|metric| metric.already_there).sum(),
        failed: report.failed.clone(),
        error: None,
    }
}

fn of_error(error: CollectError, finished_at: Timestamp) -> Outcome {
    let status = match error {
        CollectError::Interrupted { .. } => {
            tracing::info!(%error, "a run that a request started was interrupted");
            JobStatus::Interrupted
        }
        CollectError::Busy { .. } => {
            tracing::info!(%error, "a run that a request started found another process at it");
            JobStatus::Busy
        }
        _ if error.is_refusal() => {
            tracing::info!(%error, "a request asked for a run that cannot be");
            JobStatus::Failed
        }
        _ => {
            tracing::error!(%error, "a run that a request started failed");
            JobStatus::Failed
        }
    };
    Outcome { status, error: Some(Arc::new(error)), ..Outcome::failed(finished_at) }
}
