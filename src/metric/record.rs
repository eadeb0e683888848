//! Records: the value of a metric on a day, written once.

use jiff::{Timestamp, civil::Date};
use serde_json::{Map, Value};
use strum::{EnumIter, EnumString, IntoStaticStr, VariantArray};
use uuid::Uuid;

use super::{Decimal, MetricKey, MetricType};

/// One row of `daily_metrics`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub metric_date: Date,
    pub key: MetricKey,
    pub value: Decimal,
    pub metadata: Map<String, Value>,
    pub provenance: Provenance,
    /// The version of the metric's definition that made this record.
    pub definition_version: i32,
    /// The run in `metric_collection_log` that made this record.
    pub collection_id: Uuid,
    /// When the platform was read.
    pub collection_timestamp: Timestamp,
}

impl Record {
    /// Whether the record has a value; see [`has_value`].
    pub fn has_value(&self) -> bool {
        has_value(self.key.metric_type, &self.metadata)
    }
}

/// Whether a record of that type and metadata has a value. An average, an extreme or a quantile of no rows and a percentage of a denominator
/// of 0 are recorded as 0, because the column is not nullable, but have no value.
pub fn has_value(metric_type: MetricType, metadata: &Map<String, Value>) -> bool {
    let size = match metric_type {
        MetricType::Average => "sample_size",
        MetricType::Percentage => "denominator",
        MetricType::Count | MetricType::Aggregate => return true,
    };
    let Some(Value::Number(size)) = metadata.get(size) else { return true };
    size.as_str().parse::<Decimal>().map_or(true, |size| !size.is_zero())
}

/// How a record was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Provenance {
    /// Recorded on time: by a collection, while the day was the last finished one.
    Observed,
    /// Recorded later or by a backfill, from the rows that still existed.
    Reconstructed,
    /// Put right by a revision beside the record. No record has it.
    Corrected,
}

impl Provenance {
    pub fn name(self) -> &'static str {
        self.into()
    }
}
