//! The collection log: one entry for each run, inserted before the run starts and ended in every case; and the commits
//! of a run.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp, civil::Date};
use uuid::Uuid;

use super::{
    finish::Finish,
    run::{LockName, LoggedRun, NewRun, Run, RunKind, RunOutcome, RunStatus},
};
use crate::{
    metric::{MetricKey, Record},
    store::StoreError,
};

/// The filter of a list of log entries, which is sorted newest first.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    pub status: Option<RunStatus>,
    pub kind: Option<RunKind>,
    /// Only runs whose range of days overlaps `from..=to`.
    pub days: Option<(Date, Date)>,
    /// Only runs that come after the one with this start and id.
    pub after: Option<(Timestamp, Uuid)>,
    pub limit: Option<i64>,
}

/// How many running entries of the log are read at once. A role that records can insert any number of them.
const RUNNING_PAGE: i64 = 500;

impl RunFilter {
    /// The newest running entries.
    pub fn running() -> Self {
        Self { status: Some(RunStatus::Running), limit: Some(RUNNING_PAGE), ..Self::default() }
    }

    /// The running entries after `page`; `None` where that is empty.
    pub fn running_after(page: &[Run]) -> Option<Self> {
        page.last().map(|last| Self { after: Some((last.started_at, last.id)), ..Self::running() })
    }
}

/// A lock held until this is dropped or its process dies.
#[async_trait]
pub trait Held: Send + Sync {
    /// Whether the lock is still held: a server that was restarted has forgotten it, and a file may have been removed.
    async fn is_held(&self) -> bool;

    /// Sets the heartbeat of the lock, which other processes read (`Runs::heartbeat_age`). One that cannot be set is not repeated: its age
    /// tells.
    async fn beat(&self);
}

/// Runs, their locks, and their commits.
#[async_trait]
pub trait Runs: Send + Sync {
    /// Takes the lock if no process holds it, this one included; does not wait.
    async fn try_lock(&self, name: &LockName) -> Result<Option<Box<dyn Held>>, StoreError>;

    /// Whether some process holds the lock. This costs less than trying to take it.
    async fn is_taken(&self, name: &LockName) -> Result<bool, StoreError>;

    /// How long ago the process that holds the lock took it or set its heartbeat; `None` where no process holds it, or the database does
    /// not tell: PostgreSQL tells the holder's role and members of `pg_read_all_stats`.
    async fn heartbeat_age(&self, name: &LockName) -> Result<Option<SignedDuration>, StoreError>;

    /// The process that holds the lock, in the words of a message; `None` where no process holds it, or the database does not tell.
    async fn holder(&self, name: &LockName) -> Result<Option<String>, StoreError>;

    /// Writes a log entry with status `running`, committed before this returns.
    async fn start_run(&self, run: &NewRun) -> Result<(), StoreError>;

    /// Commits `records` and, with them, the end of the run. A record whose day and metric are already there is left
    /// out: the first write wins. Returns the keys that were written.
    ///
    /// # Errors
    /// [`StoreError::RunFinished`] when `finish` names an entry that is no longer running; nothing is written then.
    async fn commit(
        &self,
        records: &[Record],
        finish: Option<&Finish>,
    ) -> Result<Vec<(Date, MetricKey)>, StoreError>;

    /// Log entries, newest first; of those that started at once, by id.
    async fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>, StoreError>;

    /// The log entry, if there is one.
    async fn run(&self, id: Uuid) -> Result<Option<Run>, StoreError>;

    /// The runs that are not `completed` and whose days overlap `from..=to`, newest first. However long the log is, it reads
    /// at most the newest [`INCOMPLETE_PER_DAY`] collections of each day, and those of the newest [`INCOMPLETE_BACKFILLS`]
    /// incomplete backfills that overlap the range.
    async fn incomplete_runs(&self, from: Date, to: Date) -> Result<Vec<LoggedRun>, StoreError>;

    /// What became of the newest `limit` runs that started at `since` or later, newest first. Reads an index and one row for
    /// each of them.
    async fn run_outcomes(&self, since: Timestamp, limit: i64) -> Result<Vec<RunOutcome>, StoreError>;

    /// The newest run, and whether its process is alive.
    async fn last_run(&self) -> Result<Option<LoggedRun>, StoreError>;
}

/// How many incomplete collections of one day [`Runs::incomplete_runs`] reads.
pub const INCOMPLETE_PER_DAY: i64 = 5;
/// How many incomplete backfills [`Runs::incomplete_runs`] reads.
pub const INCOMPLETE_BACKFILLS: i64 = 200;
