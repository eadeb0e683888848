//! The jobs that this process runs: their progress, which is kept in memory only, and their outcomes.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering},
};

use jiff::Timestamp;
use tokio::{sync::watch, task::JoinSet};
use uuid::Uuid;

use super::{JobState, Outcome, Task};
use crate::{
    collect::{CancellationToken, Progress},
    store::{Job, JobKind, JobStatus},
};

/// The most ended jobs that are kept in memory because their end could not be written to the store.
const MAX_UNWRITTEN: usize = 100;

#[derive(Default)]
pub(super) struct ActiveJobs {
    /// The running jobs, and those whose end could not be written to the store.
    pub(super) jobs: Vec<Arc<ActiveJob>>,
    pub(super) running: JoinSet<()>,
}

impl ActiveJobs {
    pub(super) fn forget_oldest_unwritten(&mut self) {
        let ended = self.jobs.iter().filter(|job| !job.is_running()).count();
        if ended > MAX_UNWRITTEN
            && let Some(oldest) = self.jobs.iter().position(|job| !job.is_running())
        {
            self.jobs.remove(oldest);
        }
    }
}

pub struct ActiveJob {
    /// The job as it was stored when it was queued.
    pub(super) queued: Job,
    pub(super) task: Task,
    pub(super) started_at: OnceLock<Timestamp>,
    total_days: AtomicUsize,
    done_days: AtomicUsize,
    pub(super) outcome: watch::Sender<Option<Outcome>>,
    on_commit: Arc<dyn Fn() + Send + Sync>,
    pub(super) cancellation: CancellationToken,
}

impl ActiveJob {
    pub(super) fn new(
        queued: Job,
        task: Task,
        on_commit: Arc<dyn Fn() + Send + Sync>,
        cancellation: CancellationToken,
    ) -> Self {
        Self {
            cancellation,
            queued,
            task,
            started_at: OnceLock::new(),
            total_days: AtomicUsize::new(0),
            done_days: AtomicUsize::new(0),
            outcome: watch::Sender::new(None),
            on_commit,
        }
    }

    pub fn id(&self) -> Uuid {
        self.queued.id
    }

    pub fn kind(&self) -> JobKind {
        self.queued.kind
    }

    pub fn is_running(&self) -> bool {
        self.outcome.borrow().is_none()
    }

    /// The number of days to be written, 0 until it is known, and the number of days that are written.
    pub(super) fn progress(&self) -> (usize, usize) {
        (self.total_days.load(Ordering::Relaxed), self.done_days.load(Ordering::Relaxed))
    }

    pub(super) fn set_progress(&self, total: usize, done: usize) {
        self.total_days.store(total, Ordering::Relaxed);
        self.done_days.store(done, Ordering::Relaxed);
    }

    /// Calls `on_commit`, because something may have been committed.
    pub(super) fn committed(&self) {
        (self.on_commit)();
    }

    /// Requests that the job stops after its current commit.
    pub(super) fn request_stop(&self) {
        self.cancellation.cancel();
    }

    /// The present state of the job.
    pub fn state(&self) -> JobState {
        let outcome = self.outcome.borrow().clone();
        let (days_total, days_done) = self.progress();
        let mut job = self.queued.clone();
        job.status = outcome.as_ref().map_or(JobStatus::Running, |outcome| outcome.status);
        job.started_at = self.started_at.get().copied();
        job.run_id = outcome.as_ref().and_then(|outcome| outcome.run);
        let result = outcome.map(|outcome| outcome.result((days_total, days_done)));
        JobState { job, days_total, days_done, result }
    }

    /// Waits until the job has ended.
    pub async fn finished(&self) -> Outcome {
        let mut outcome = self.outcome.subscribe();
        // The sender belongs to this job, so it exists as long as a caller waits.
        match outcome.wait_for(Option::is_some).await.map(|outcome| outcome.clone()) {
            Ok(Some(outcome)) => outcome,
            _ => std::future::pending().await,
        }
    }
}

impl Progress for ActiveJob {
    fn reading(&self, _metrics: usize, days: usize) {
        self.set_progress(days, 0);
    }

    fn started(&self, total_days: usize) {
        self.set_progress(total_days, 0);
    }

    fn advanced(&self, days: usize) {
        self.committed();
        self.done_days.fetch_add(days, Ordering::Relaxed);
    }
}
