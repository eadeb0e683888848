//! Redactions: a label of breakdowns that must be forgotten is replaced by a placeholder wherever the store has it, also in the records.
//! This is the one exception to the immutability of records.

use std::collections::HashMap;

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    metric::{MetricKey, MetricType, replace_labels},
    store::StoreError,
};

/// A redaction that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRedaction {
    /// Recognises the redaction when it is made again because its answer was lost.
    pub id: Uuid,
    pub label: String,
    /// The placeholder, unless the label was redacted before: then it keeps the one it has.
    pub placeholder: String,
    /// 1 to 1,000 characters, without the label.
    pub reason: String,
    /// Who makes it, as [`super::NewRun::actor`]; 1 to 200 characters.
    pub author: String,
    /// By the clock of the process, as [`super::RevisionBatch::made_at`].
    pub made_at: Timestamp,
}

/// An entry of the log of redactions, which does not have the label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redaction {
    pub id: Uuid,
    pub placeholder: String,
    pub reason: String,
    pub author: String,
    /// By the clock of the store's database.
    pub created_at: Timestamp,
    pub places: RedactedPlaces,
}

/// Where a label was found and replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedactedPlaces {
    /// By category and type.
    pub metrics: Vec<RedactedMetric>,
    /// Texts that name the label, such as annotations and reasons.
    pub texts: Vec<RedactedTexts>,
}

impl RedactedPlaces {
    pub fn is_empty(&self) -> bool {
        self.metrics.is_empty() && self.texts.is_empty()
    }
}

/// The values of a metric that name a label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedactedMetric {
    pub metric_type: MetricType,
    pub metric_category: String,
    pub records: usize,
    pub revisions: usize,
    /// The first and the last day.
    pub from: Date,
    pub to: Date,
}

impl RedactedMetric {
    pub fn key(&self) -> MetricKey {
        MetricKey { metric_type: self.metric_type, category: self.metric_category.clone() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedactedTexts {
    /// The table and the column: `annotations.text`.
    pub place: String,
    pub texts: usize,
}

/// Places of one sort that name a label and are not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftPlaces {
    pub count: usize,
    /// The first few, in the words of a message.
    pub first: Vec<String>,
    /// Why they are left, or what is to be done.
    pub advice: &'static str,
}

/// Where the store has a label.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelFindings {
    pub places: RedactedPlaces,
    /// What names the label and is not replaced: definitions, reasons of redactions, and texts in the metadata of early corrections.
    pub left: Vec<LeftPlaces>,
    /// The placeholder that the label has since an earlier redaction.
    pub placeholder: Option<String>,
}

/// A redacted label that a recorder has read again from the platform, and recorded with its placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnedLabel {
    pub placeholder: String,
    pub key: MetricKey,
    /// The newest day.
    pub date: Date,
}

/// The labels that were redacted, by their hashes.
#[derive(Clone, Default)]
pub struct LabelRedactions {
    pub(in crate::store) key: Vec<u8>,
    pub(in crate::store) placeholders: HashMap<Vec<u8>, String>,
}

/// The key stays out of logs.
impl std::fmt::Debug for LabelRedactions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} redacted labels", self.placeholders.len())
    }
}

impl LabelRedactions {
    pub fn is_empty(&self) -> bool {
        self.placeholders.is_empty()
    }

    /// Replaces the redacted labels of metadata by their placeholders, and returns whether there was any.
    pub fn apply(&self, metadata: &mut Map<String, Value>) -> bool {
        !self.is_empty() && replace_labels(metadata, |label| self.placeholder(label).map(str::to_owned))
    }

    /// The placeholder of a label that was redacted.
    pub fn placeholder(&self, label: &str) -> Option<&str> {
        self.placeholders.get(self.hash(label).as_slice()).map(String::as_str)
    }

    /// The hash by which the store recognises a label, which needs the key of the store.
    pub(in crate::store) fn hash(&self, label: &str) -> [u8; 32] {
        // PostgreSQL stores another character in the place of U+0000.
        let label = label.replace('\0', "\u{FFFD}");
        Sha256::new().chain_update(&self.key).chain_update(label).finalize().into()
    }
}

#[async_trait]
pub trait Redactions: Send + Sync {
    /// The log of redactions, the newest first.
    async fn redactions(&self) -> Result<Vec<Redaction>, StoreError>;

    /// The labels that were redacted. [`super::Runs::commit`] and [`super::Revisions::write_revisions`] replace them by themselves; others
    /// need them to compare what the platform has with what is recorded.
    async fn label_redactions(&self) -> Result<LabelRedactions, StoreError>;

    /// Finds a label in all metrics and days, and in texts.
    async fn find_label(&self, label: &str) -> Result<LabelFindings, StoreError>;

    /// Replaces a label by a placeholder wherever the store has it, in one transaction: days whose value in force names it get a
    /// revision, all records, revisions and texts are changed in place, and the log gets an entry. `None` where nothing names the label.
    ///
    /// # Errors
    /// On PostgreSQL also for every role but the owner of the tables.
    async fn redact(&self, redaction: &NewRedaction) -> Result<Option<Redaction>, StoreError>;

    /// Rewrites what the database keeps of changed rows, as far as it can while others use the store: on SQLite the file and its
    /// write-ahead log, on PostgreSQL the statistics of the planner. Returns what the owner has to do still.
    async fn rewrite_after_redaction(&self) -> Result<Option<String>, StoreError>;

    /// Labels that were recorded with their placeholders on a day since `since`, after they had been redacted.
    async fn returned_labels(&self, since: Date) -> Result<Vec<ReturnedLabel>, StoreError>;
}
