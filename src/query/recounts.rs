//! The results of the recounts of recorded days, which the scheduler makes each night.

use jiff::{Timestamp, ToSpan, civil::Date};
use serde::Serialize;
use utoipa::ToSchema;

use super::{error::QueryError, response::metric_type};
use crate::{
    collect::Context,
    metric::{Decimal, MetricType},
    store::DriftSample,
};

/// The days of which recounts are read.
const DAYS: i32 = 30;
/// How many recounts are read at most, the newest.
const MAX_READ: i64 = 20_000;

/// The recounts of the last 30 days: on a schedule, some recorded days are counted again from the platform's present rows.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RecountsResponse {
    /// When the newest recount was made; null: none in 30 days.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_recounted_at: Option<Timestamp>,
    /// How many values of recorded days were counted again; 20,000 at most.
    pub recounted: usize,
    /// Those of them that have another value now; those that were recounted last come first.
    pub changed: Vec<DriftEntry>,
}

/// A value of a recorded day that the platform's present rows no longer give.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DriftEntry {
    #[schema(value_type = String, format = Date)]
    pub metric_date: Date,
    #[schema(schema_with = metric_type)]
    pub metric_type: MetricType,
    pub metric_category: String,
    /// The value that was in force when it was counted again: that of the record, or of its correction.
    pub in_force: Decimal,
    pub recounted: Decimal,
    /// The recounted value less the one in force.
    pub difference: Decimal,
    #[schema(value_type = String, format = DateTime)]
    pub recounted_at: Timestamp,
}

/// # Errors
/// When the store fails.
pub async fn recounts(context: &Context) -> Result<RecountsResponse, QueryError> {
    let since = context.now().saturating_sub((24 * DAYS).hours()).unwrap_or(Timestamp::MIN);
    let samples = context.tenant.store.drift_samples(since, MAX_READ).await?;
    let (last_recounted_at, recounted) = (samples.first().map(|sample| sample.recounted_at), samples.len());
    let changed = samples.into_iter().filter(|sample| sample.in_force != sample.recounted);
    Ok(RecountsResponse { last_recounted_at, recounted, changed: changed.map(DriftEntry::from).collect() })
}

impl From<DriftSample> for DriftEntry {
    fn from(sample: DriftSample) -> Self {
        Self {
            metric_date: sample.date,
            metric_type: sample.key.metric_type,
            metric_category: sample.key.category,
            difference: &sample.recounted - &sample.in_force,
            in_force: sample.in_force,
            recounted: sample.recounted,
            recounted_at: sample.recounted_at,
        }
    }
}
