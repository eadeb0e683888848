//! Revisions of recorded values, by which a correction is made. A record is never changed: a revision stands beside it, and readers
//! show the value of the revision that is in force.

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    metric::{Decimal, MetricKey},
    store::StoreError,
};

/// What a revision does with the value of its day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevisionEffect {
    /// Another value, with its metadata, is in force from then on.
    Value { value: Decimal, metadata: Map<String, Value> },
    /// The value of the day cannot be known: readers show a gap.
    Withdrawal,
    /// The revision of that number is taken back. What was in force before it is in force again.
    Reversal { takes_back: i32 },
}

impl RevisionEffect {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Value { .. } => "value",
            Self::Withdrawal => "withdrawal",
            Self::Reversal { .. } => "reversal",
        }
    }
}

/// What a revision rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevisionBasis {
    /// The word of its author.
    Manual,
    /// The rows that the platform still had, read under this version of the metric's definition.
    Reconstruction { definition_version: i32 },
}

impl RevisionBasis {
    pub fn name(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Reconstruction { .. } => "reconstruction",
        }
    }

    pub fn definition_version(self) -> Option<i32> {
        match self {
            Self::Manual => None,
            Self::Reconstruction { definition_version } => Some(definition_version),
        }
    }
}

/// A revision that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRevision {
    pub date: Date,
    pub key: MetricKey,
    pub effect: RevisionEffect,
    pub basis: RevisionBasis,
}

/// Revisions that are written in one transaction, for one reason. It has one of a metric and day at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionBatch {
    /// Recognises the batch when it is written again because its answer was lost.
    pub id: Uuid,
    /// 1 to 1,000 characters.
    pub reason: String,
    /// Who makes them, as [`super::NewRun::actor`]; 1 to 200 characters.
    pub author: String,
    /// By the clock of the process. It counts only in a store with a simulated clock; otherwise the database's does.
    pub made_at: Timestamp,
    pub revisions: Vec<NewRevision>,
}

/// A revision as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    pub date: Date,
    pub key: MetricKey,
    /// Counts from 1 for each metric and day.
    pub revision: i32,
    pub batch_id: Uuid,
    pub effect: RevisionEffect,
    pub basis: RevisionBasis,
    pub reason: String,
    pub author: String,
    /// By the clock of the store's database.
    pub created_at: Timestamp,
    /// Whether it decides the value of its day: it is the last that is no reversal and was not taken back.
    pub is_in_force: bool,
    /// The value of the record, which stays.
    pub recorded: Decimal,
}

/// Which revisions are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RevisionFilter {
    pub from: Option<Date>,
    pub to: Option<Date>,
    /// Empty: of all metrics.
    pub categories: Vec<String>,
    pub batch: Option<Uuid>,
    /// Whether those that were replaced or taken back, and reversals, are left out.
    pub only_in_force: bool,
    /// The revisions that were made until this instant, and which of them was in force then.
    pub as_of: Option<Timestamp>,
    /// Those after this one in the order of the list.
    pub after: Option<RevisionPosition>,
    pub limit: i64,
}

/// The place of a revision in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionPosition {
    pub created_at: Timestamp,
    pub key: MetricKey,
    pub date: Date,
    pub revision: i32,
}

impl Revision {
    pub fn position(&self) -> RevisionPosition {
        RevisionPosition {
            created_at: self.created_at,
            key: self.key.clone(),
            date: self.date,
            revision: self.revision,
        }
    }
}

#[async_trait]
pub trait Revisions: Send + Sync {
    /// Writes all revisions of the batch, and the event of it, or none. Returns them as they are stored, in the order of the list.
    ///
    /// # Errors
    /// Also when a day has no record, or a revision cannot be taken back: there is none of that number, it is a reversal, or it was
    /// taken back before.
    async fn write_revisions(&self, batch: &RevisionBatch) -> Result<Vec<Revision>, StoreError>;

    /// Revisions, the newest first; of equal times, the last metric and day first.
    async fn revisions(&self, filter: &RevisionFilter) -> Result<Vec<Revision>, StoreError>;
}
