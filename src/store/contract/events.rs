//! Events: the outbox. The events of a commit are written in the commit's own transaction and are delivered later.

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::store::StoreError;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// A day got records: `date`, `collection_id`, and how many `records`.
    DayRecorded,
    /// A run ended: `run_id`, `kind`, `from`, `to`, how many `records` it wrote, and the categories of its `failures`.
    RunCompleted,
    RunPartial,
    RunFailed,
    /// Definitions were made, revised, activated or deactivated: their `categories`, and `by` which origin.
    DefinitionsChanged,
    /// Recorded values were corrected: `batch_id`, the `categories`, the first and the last day (`from`, `to`), and how many
    /// `revisions`.
    ValuesCorrected,
}

impl EventKind {
    pub const ALL: [Self; 6] = [
        Self::DayRecorded,
        Self::RunCompleted,
        Self::RunPartial,
        Self::RunFailed,
        Self::DefinitionsChanged,
        Self::ValuesCorrected,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::DayRecorded => "day_recorded",
            Self::RunCompleted => "run_completed",
            Self::RunPartial => "run_partial",
            Self::RunFailed => "run_failed",
            Self::DefinitionsChanged => "definitions_changed",
            Self::ValuesCorrected => "values_corrected",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|candidate| candidate.name() == name)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Counts from 1 for each tenant. Events become visible in the order of their ids: none ever appears below one that was
    /// read.
    pub id: i64,
    pub kind: EventKind,
    pub subject: Map<String, Value>,
    /// By the clock of the store's database.
    pub created_at: Timestamp,
}

#[async_trait]
pub trait Events: Send + Sync {
    /// The first `limit` events after the one with the id `after`, by id; 0 is before the first.
    async fn events(&self, after: i64, limit: i64) -> Result<Vec<Event>, StoreError>;
}
