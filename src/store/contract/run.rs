//! An entry of the collection log, and the lock of its process.

use std::fmt;

use jiff::{Timestamp, civil::Date};
use serde_json::{Map, Value};
use strum::{EnumIter, EnumString, IntoStaticStr};
use uuid::Uuid;

#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum RunKind {
    Collect,
    Backfill,
}

impl RunKind {
    pub fn name(self) -> &'static str {
        self.into()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum RunStatus {
    Running,
    Completed,
    /// Some of the requested records exist, written by this run or earlier, and others failed.
    Partial,
    /// None of the requested records exist, or the run was interrupted.
    Failed,
}

impl RunStatus {
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Why a run or a job was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
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
    pub fn name(self) -> &'static str {
        self.into()
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
    /// Reading recorded days again and correcting those that differ.
    Restate,
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
            Self::Restate => formatter.write_str("restate"),
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
