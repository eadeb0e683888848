//! The collection log: one entry a run, written before the work starts and finished in every case.

use std::fmt;

use jiff::{Timestamp, civil::Date};
use serde_json::{Map, Value};
use uuid::Uuid;

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
    /// Some of what was asked for is recorded, by this run or before it, and some failed.
    Partial,
    /// Nothing of it is recorded, or the run was cut short.
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

/// A run that is about to start.
#[derive(Debug, Clone)]
pub struct NewRun {
    pub id: Uuid,
    pub kind: RunKind,
    /// The first day (`collection_date`) and the last (`collection_end_date`).
    pub from: Date,
    pub to: Date,
    pub started_at: Timestamp,
    /// Who does it, for the message to whoever comes second.
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

impl Finish {
    /// Whether it was this very call that finished `run`: an attempt of it whose answer was lost.
    pub(super) fn made(&self, run: &Run) -> bool {
        run.id == self.id
            && run.status == self.status
            && run.completed_at == Some(super::row::to_micros(self.completed_at))
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
    pub host: String,
    pub process_id: u32,
}

impl Run {
    /// The lock that its process holds as long as it lives.
    pub fn lock(&self) -> LockName {
        match self.kind {
            RunKind::Collect => LockName::Day(self.from),
            RunKind::Backfill => LockName::Backfill,
        }
    }
}

/// What at most one process of a tenant does at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LockName {
    /// Collecting this day.
    Day(Date),
    Backfill,
}

impl fmt::Display for LockName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(date) => write!(formatter, "day-{date}"),
            Self::Backfill => formatter.write_str("backfill"),
        }
    }
}
