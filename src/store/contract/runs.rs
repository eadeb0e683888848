//! The collection log: one entry for each run, inserted before the run starts and ended in every case; and the commits
//! of a run.

use std::{borrow::Cow, collections::HashSet, fmt};

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    metric::{MetricKey, Record},
    store::{StoreError, row},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunKind {
    Collect,
    Backfill,
}

impl RunKind {
    pub const ALL: [Self; 2] = [Self::Collect, Self::Backfill];

    pub fn name(self) -> &'static str {
        match self {
            Self::Collect => "collect",
            Self::Backfill => "backfill",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|candidate| candidate.name() == name)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunStatus {
    Running,
    Completed,
    /// Some of the requested records exist, written by this run or earlier, and others failed.
    Partial,
    /// None of the requested records exist, or the run was interrupted.
    Failed,
}

impl RunStatus {
    pub const ALL: [Self; 4] = [Self::Running, Self::Completed, Self::Partial, Self::Failed];

    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Partial => "partial",
            Self::Failed => "failed",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|candidate| candidate.name() == name)
    }
}

/// Why a run or a job was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// A schedule, cron's or Daymark's own.
    Schedule,
    /// A request to the API.
    Api,
    /// A command that a person or a script ran.
    Cli,
    /// Days that were missed, found at start.
    CatchUp,
}

impl Trigger {
    pub const ALL: [Self; 4] = [Self::Schedule, Self::Api, Self::Cli, Self::CatchUp];

    pub fn name(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Api => "api",
            Self::Cli => "cli",
            Self::CatchUp => "catch_up",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|candidate| candidate.name() == name)
    }
}

/// A run that is about to start.
#[derive(Debug, Clone)]
pub struct NewRun {
    pub id: Uuid,
    pub kind: RunKind,
    /// The first day (`collection_date`) and the last (`collection_end_date`).
    pub from: Date,
    pub to: Date,
    pub started_at: Timestamp,
    pub trigger: Trigger,
    /// Who started it: `cli:<system user>` (`cli:uid=1000` where the user has no name), `key:<id>`, `user:<subject>` or
    /// `system`; 1 to 200 characters.
    pub actor: String,
    /// The machine and the process that run it, for the message to a second process that finds the lock taken.
    pub host: String,
    pub process_id: u32,
}

/// The end of a run.
#[derive(Debug, Clone)]
pub struct Finish {
    pub id: Uuid,
    pub status: RunStatus,
    pub completed_at: Timestamp,
    pub error_message: Option<String>,
    /// `sqlstate` and `context` of the first failure, and `failures`: a list of `category`, `message`, `sqlstate`,
    /// `context`, `timed_out`.
    pub error_details: Option<Map<String, Value>>,
}

/// The longest message of a log entry, in characters.
const MAX_MESSAGE: usize = 4096;
/// The largest details of a log entry, in bytes of JSON. The tables permit a little more.
const MAX_DETAILS: usize = 1_000_000;

impl Finish {
    /// The message, cut at [`MAX_MESSAGE`]: however long the errors are, a run must be finished in the log.
    pub(in crate::store) fn short_message(&self) -> Option<Cow<'_, str>> {
        let message = self.error_message.as_deref()?;
        Some(match message.char_indices().nth(MAX_MESSAGE) {
            None => Cow::Borrowed(message),
            Some(_) => Cow::Owned(message.chars().take(MAX_MESSAGE - 1).chain(['…']).collect()),
        })
    }

    /// The details without the last failures where all of them are more than [`MAX_DETAILS`].
    pub(in crate::store) fn bounded_details(&self) -> Option<Cow<'_, Map<String, Value>>> {
        let details = self.error_details.as_ref()?;
        let size = |details: &Map<String, Value>| serde_json::to_string(details).map_or(0, |json| json.len());
        if size(details) <= MAX_DETAILS {
            return Some(Cow::Borrowed(details));
        }
        let mut bounded = details.clone();
        while size(&bounded) > MAX_DETAILS {
            match bounded.get_mut("failures").and_then(Value::as_array_mut) {
                Some(failures) if !failures.is_empty() => failures.truncate(failures.len() / 2),
                _ => bounded.clear(),
            }
        }
        Some(Cow::Owned(bounded))
    }

    /// Whether an earlier attempt of this very call finished `run`, and only its answer was lost.
    pub(in crate::store) fn made(&self, run: &Run) -> bool {
        run.id == self.id
            && run.status == self.status
            && run.completed_at == Some(row::to_micros(self.completed_at))
    }
}

/// An entry of `metric_collection_log`.
#[derive(Debug, Clone)]
pub struct Run {
    pub id: Uuid,
    pub kind: RunKind,
    pub from: Date,
    pub to: Date,
    pub started_at: Timestamp,
    pub completed_at: Option<Timestamp>,
    pub status: RunStatus,
    /// Records written by this run.
    pub metrics_collected: i64,
    pub error_message: Option<String>,
    pub error_details: Option<Map<String, Value>>,
    pub trigger: Trigger,
    pub actor: String,
    pub host: String,
    pub process_id: u32,
}

/// An entry of the collection log without its texts, which are most of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunOutcome {
    pub kind: RunKind,
    pub status: RunStatus,
    pub started_at: Timestamp,
    pub completed_at: Option<Timestamp>,
    /// Records written by this run.
    pub metrics_collected: i64,
}

impl Run {
    /// The lock that its process holds until it ends.
    pub fn lock(&self) -> LockName {
        match self.kind {
            RunKind::Collect => LockName::Day(self.from),
            RunKind::Backfill => LockName::Backfill,
        }
    }
}

/// The work that at most one process of a tenant does at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LockName {
    /// Collecting this day.
    Day(Date),
    Backfill,
    /// Collecting on a schedule.
    Leader,
    /// Evaluating the rules of alerts and delivering notifications.
    Alerts,
}

impl fmt::Display for LockName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(date) => write!(formatter, "day-{date}"),
            Self::Backfill => formatter.write_str("backfill"),
            Self::Leader => formatter.write_str("leader"),
            Self::Alerts => formatter.write_str("alerts"),
        }
    }
}

/// The log entry of a run, and whether its process is alive.
#[derive(Debug, Clone)]
pub struct LoggedRun {
    pub run: Run,
    /// Whether the run is logged as running and a process holds its lock.
    pub is_alive: bool,
}

impl LoggedRun {
    /// Logged as running, though no process holds its lock.
    pub fn is_orphaned(&self) -> bool {
        self.run.status == RunStatus::Running && !self.is_alive
    }
}

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
}

/// Runs, their locks, and their commits.
#[async_trait]
pub trait Runs: Send + Sync {
    /// Takes the lock if no process holds it, this one included; does not wait.
    async fn try_lock(&self, name: &LockName) -> Result<Option<Box<dyn Held>>, StoreError>;

    /// Whether some process holds the lock. This costs less than trying to take it.
    async fn is_taken(&self, name: &LockName) -> Result<bool, StoreError>;

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

/// A run that ended after the log was read and before its lock was tested looks orphaned. So the log is read again when
/// a run looks orphaned, which is rare: a run that is no longer `running` in the log ended normally in between.
pub(in crate::store) async fn confirm_orphans(
    store: &impl Runs,
    runs: &mut [LoggedRun],
) -> Result<(), StoreError> {
    if !runs.iter().any(LoggedRun::is_orphaned) {
        return Ok(());
    }
    let (mut running, mut page) = (HashSet::new(), Some(RunFilter::running()));
    while let Some(filter) = page {
        let found = store.runs(&filter).await?;
        page = RunFilter::running_after(&found);
        running.extend(found.into_iter().map(|run| run.id));
    }
    for logged in runs.iter_mut().filter(|logged| logged.is_orphaned()) {
        logged.is_alive = !running.contains(&logged.run.id);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log in which only these runs are running.
    struct Running(Vec<Run>);

    #[async_trait]
    impl Runs for Running {
        async fn try_lock(&self, _: &LockName) -> Result<Option<Box<dyn Held>>, StoreError> {
            Ok(None)
        }

        async fn is_taken(&self, _: &LockName) -> Result<bool, StoreError> {
            Ok(false)
        }

        async fn start_run(&self, _: &NewRun) -> Result<(), StoreError> {
            Ok(())
        }

        async fn commit(
            &self,
            _: &[Record],
            _: Option<&Finish>,
        ) -> Result<Vec<(Date, MetricKey)>, StoreError> {
            Ok(Vec::new())
        }

        async fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>, StoreError> {
            assert_eq!((filter.status, filter.limit), (Some(RunStatus::Running), Some(RUNNING_PAGE)));
            Ok(if filter.after.is_none() { self.0.clone() } else { Vec::new() })
        }

        async fn run(&self, _: Uuid) -> Result<Option<Run>, StoreError> {
            Ok(None)
        }

        async fn incomplete_runs(&self, _: Date, _: Date) -> Result<Vec<LoggedRun>, StoreError> {
            Ok(Vec::new())
        }

        async fn run_outcomes(&self, _: Timestamp, _: i64) -> Result<Vec<RunOutcome>, StoreError> {
            Ok(Vec::new())
        }

        async fn last_run(&self) -> Result<Option<LoggedRun>, StoreError> {
            Ok(None)
        }
    }

    fn run(id: u128, status: RunStatus) -> Run {
        Run {
            id: Uuid::from_u128(id),
            kind: RunKind::Collect,
            from: Date::MIN,
            to: Date::MIN,
            started_at: Timestamp::UNIX_EPOCH,
            completed_at: None,
            status,
            metrics_collected: 0,
            error_message: None,
            error_details: None,
            trigger: Trigger::Cli,
            actor: "cli:test".to_owned(),
            host: "here".to_owned(),
            process_id: 1,
        }
    }

    #[tokio::test]
    async fn a_run_that_ended_between_two_reads_is_not_an_orphan() {
        let logged = |id, status, is_alive| LoggedRun { run: run(id, status), is_alive };
        let mut runs = [
            logged(1, RunStatus::Running, false),
            logged(2, RunStatus::Running, false),
            logged(3, RunStatus::Running, true),
            logged(4, RunStatus::Failed, false),
        ];
        // The first ended after the log was read and before its lock was tested; the second is running in the log.
        let log = Running(vec![run(2, RunStatus::Running), run(3, RunStatus::Running)]);
        confirm_orphans(&log, &mut runs).await.unwrap();
        assert_eq!(runs.map(|logged| logged.is_orphaned()), [false, true, false, false]);
    }
}
