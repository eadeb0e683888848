//! Copying a whole store into a file, with all of its tenants, and making a store of such a file.

use std::path::Path;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    metric::{MetricKey, Record},
    store::StoreError,
};

/// The contents of a store, by which a copy is compared with the store that was restored from it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreContents {
    /// By tenant, category and type.
    pub metrics: Vec<MetricContents>,
    /// Entries of the collection log.
    pub runs: u64,
    /// Versions of definitions.
    pub definition_versions: u64,
    /// Revisions of recorded values.
    pub revisions: u64,
    /// Entries of the log of redactions.
    pub redactions: u64,
}

/// The records of a metric.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricContents {
    pub tenant: String,
    pub metric_type: String,
    pub metric_category: String,
    pub records: u64,
    /// Of the canonical bytes of its records, by date, one after the other; in hexadecimal.
    pub sha256: String,
}

impl StoreContents {
    pub fn records(&self) -> u64 {
        self.metrics.iter().map(|metric| metric.records).sum()
    }
}

#[async_trait]
pub trait Backups: Send + Sync {
    /// The name of the format of a copy: `sqlite` or `postgresql:<schema>`. A store is restored from a copy of its own format.
    fn copy_format(&self) -> String;

    /// What keeps the store from being copied on this machine: a program that is missing or too old.
    async fn copy_problem(&self) -> Option<String>;

    /// Copies the store into `file`, which does not exist yet, and reads the copy back. Other processes may write meanwhile: the
    /// copy is one state of the store.
    ///
    /// # Errors
    /// Also when the copy differs from the store.
    async fn copy_to(&self, file: &Path) -> Result<StoreContents, StoreError>;

    /// Makes the store of a copy. All of it appears at once, or nothing.
    ///
    /// # Errors
    /// Also when there is a store already, whether it is empty or not.
    async fn restore_from(&self, file: &Path) -> Result<(), StoreError>;

    /// Reads the contents of the store.
    async fn contents(&self) -> Result<StoreContents, StoreError>;
}

/// Adds records up to [`StoreContents`]. They come by tenant, category, type and date.
#[derive(Default)]
pub(in crate::store) struct ContentsSum {
    contents: StoreContents,
    current: Option<(String, MetricKey, u64, Sha256)>,
}

impl ContentsSum {
    pub fn add(&mut self, tenant: &str, record: &Record) {
        if !self.current.as_ref().is_some_and(|(of, key, ..)| of == tenant && *key == record.key) {
            self.end_metric();
            self.current = Some((tenant.to_owned(), record.key.clone(), 0, Sha256::new()));
        }
        if let Some((_, _, records, hash)) = &mut self.current {
            *records += 1;
            hash.update(record.canonical_bytes(tenant));
        }
    }

    /// `counts` are those of runs, of versions of definitions, of revisions and of redactions.
    pub fn finish(mut self, counts: [i64; 4]) -> StoreContents {
        self.end_metric();
        let [runs, definition_versions, revisions, redactions] = counts.map(i64::unsigned_abs);
        StoreContents { runs, definition_versions, revisions, redactions, ..self.contents }
    }

    fn end_metric(&mut self) {
        let Some((tenant, key, records, hash)) = self.current.take() else { return };
        let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let metric_type = key.metric_type.name().to_owned();
        let metric = MetricContents { tenant, metric_type, metric_category: key.category, records, sha256 };
        self.contents.metrics.push(metric);
    }
}
