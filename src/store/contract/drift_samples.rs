//! Recounts of records: the value that the platform's rows gave when they were counted again last.

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};

use crate::{
    metric::{Decimal, MetricKey},
    store::StoreError,
};

/// A record that was counted again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriftSample {
    pub date: Date,
    pub key: MetricKey,
    /// The value that was in force at `recounted_at`: that of the record, or of its correction. Its column is called `recorded`.
    pub in_force: Decimal,
    /// The value from the rows of the platform at `recounted_at`.
    pub recounted: Decimal,
    pub recounted_at: Timestamp,
}

#[async_trait]
pub trait DriftSamples: Send + Sync {
    /// Writes the recounts over earlier ones of the same records.
    async fn write_drift_samples(&self, samples: &[DriftSample]) -> Result<(), StoreError>;

    /// The recounts at `since` or later, the newest first, then by day and category; `limit` at most.
    async fn drift_samples(&self, since: Timestamp, limit: i64) -> Result<Vec<DriftSample>, StoreError>;
}
