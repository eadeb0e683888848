//! The result of the last recounts of recorded days.

use jiff::{Timestamp, ToSpan, civil::Date};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    collect::Context,
    metric::{Decimal, MetricType},
    query::response::metric_type,
    store::{DriftSample, StoreError},
};

/// The days of which recounts are read.
const DAYS: i32 = 30;
/// How many recounts are read at most, the newest.
const MAX_READ: i64 = 20_000;
/// How many changed values are listed.
const MAX_LISTED: usize = 50;

/// The recounts of the last 30 days: on a schedule, some recorded days are counted again from the platform's present rows.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DriftHealth {
    /// When the newest recount was made; null: none in 30 days.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_recounted_at: Option<Timestamp>,
    /// How many recorded values were counted again; 20,000 at most.
    pub recounted: usize,
    /// How many of them have another value now.
    pub changed: usize,
    /// Those of them that were recounted last, 50 at most.
    pub newest: Vec<DriftEntry>,
}

/// A recorded value that the platform's present rows no longer give.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DriftEntry {
    #[schema(value_type = String, format = Date)]
    pub metric_date: Date,
    #[schema(schema_with = metric_type)]
    pub metric_type: MetricType,
    pub metric_category: String,
    pub recorded: Decimal,
    pub recounted: Decimal,
    #[schema(value_type = String, format = DateTime)]
    pub recounted_at: Timestamp,
}

/// # Errors
/// When the store fails.
pub(super) async fn drift(context: &Context) -> Result<DriftHealth, StoreError> {
    let since = context.now().saturating_sub((24 * DAYS).hours()).unwrap_or(Timestamp::MIN);
    let samples = context.tenant.store.drift_samples(since, MAX_READ).await?;
    let (last_recounted_at, recounted) = (samples.first().map(|sample| sample.recounted_at), samples.len());
    let changed: Vec<_> = samples.into_iter().filter(|sample| sample.recorded != sample.recounted).collect();
    Ok(DriftHealth {
        last_recounted_at,
        recounted,
        changed: changed.len(),
        newest: changed.into_iter().take(MAX_LISTED).map(DriftEntry::from).collect(),
    })
}

impl From<DriftSample> for DriftEntry {
    fn from(sample: DriftSample) -> Self {
        Self {
            metric_date: sample.date,
            metric_type: sample.key.metric_type,
            metric_category: sample.key.category,
            recorded: sample.recorded,
            recounted: sample.recounted,
            recounted_at: sample.recounted_at,
        }
    }
}
