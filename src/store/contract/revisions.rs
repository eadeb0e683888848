//! Revisions of recorded values, by which a correction is made. A record is never changed: a revision stands beside it, and readers
//! show the value of the revision that is in force.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use serde_json::{Map, Value};
use strum::IntoStaticStr;
use uuid::Uuid;

use crate::{
    metric::{Decimal, MetricKey},
    store::StoreError,
};

/// What a revision does with the value of its day.
#[derive(Debug, Clone, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
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
        self.into()
    }
}

/// What a revision rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum RevisionBasis {
    /// The word of its author. The version of the definition is that of the restated value that it replaces, so that its days still
    /// combine; otherwise that of the record counts.
    Manual { definition_version: Option<i32> },
    /// The rows that the platform still had, read under this version of the metric's definition.
    Reconstruction { definition_version: i32 },
    /// The record, of which a label was redacted.
    Redaction,
}

impl RevisionBasis {
    /// The word of its author about a value that is not restated.
    pub const MANUAL: Self = Self::Manual { definition_version: None };
    pub const NAMES: [&'static str; 3] = ["manual", "reconstruction", "redaction"];

    pub fn name(self) -> &'static str {
        self.into()
    }

    pub fn definition_version(self) -> Option<i32> {
        match self {
            Self::Redaction => None,
            Self::Manual { definition_version } => definition_version,
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
    /// The number that it must get, one more than that of the last revision of the day that was looked at: it is refused if another one
    /// came since. `None`: the next number.
    pub number: Option<i32>,
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

/// The last revision of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastRevision {
    pub number: i32,
    /// Whether it takes back a revision that rests on a reconstruction.
    pub takes_reconstruction_back: bool,
}

/// Which revisions are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RevisionFilter {
    pub from: Option<Date>,
    pub to: Option<Date>,
    /// Empty: of all metrics.
    pub categories: Vec<String>,
    pub batch: Option<Uuid>,
    /// One of [`RevisionBasis::NAMES`].
    pub basis: Option<&'static str>,
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
    /// taken back before; or when another revision has the number that one must get.
    async fn write_revisions(&self, batch: &RevisionBatch) -> Result<Vec<Revision>, StoreError>;

    /// The last revision of each day that has one.
    async fn last_revisions(
        &self,
        metric: &MetricKey,
        from: Date,
        to: Date,
    ) -> Result<BTreeMap<Date, LastRevision>, StoreError>;

    /// The time of the newest revision. Revisions become visible in the order of their times.
    async fn newest_revision(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Revisions, the newest first; of equal times, the last metric and day first.
    async fn revisions(&self, filter: &RevisionFilter) -> Result<Vec<Revision>, StoreError>;
}
