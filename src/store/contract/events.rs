//! Events: the outbox. The events of a commit are written in the commit's own transaction, so that a later consumer misses none.
//!
//! No part of Daymark reads them yet: notifications come from the rules of alerts and are queued in `notifications`; open pages and the
//! scheduler learn of a commit from the store version. Events are as immutable as records, and there is one for each day that a run
//! records, one for each run that ends, one for each change of definitions, and one for each batch of corrections. The database deletes
//! events that are older than 90 days when later ones are inserted, up to 1000 at a time; a consumer that was away for longer starts
//! again from the record.

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Map, Value};
use strum::{EnumIter, EnumString, IntoStaticStr};

use crate::store::StoreError;

#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
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
    pub fn name(self) -> &'static str {
        self.into()
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
