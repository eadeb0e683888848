//! The anomalies of the last days.

use jiff::{ToSpan, civil::Date};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    collect::Context,
    metric::{Decimal, MetricType},
    query::{judgement::ValueJudgement, response::metric_type},
    store::{Anomaly, StoreError},
};

/// How many anomalies are counted at most, the newest.
const MAX_COUNTED: usize = 10_000;
/// How many of them are listed.
const MAX_LISTED: usize = 50;

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AnomaliesHealth {
    /// How many recorded values of the last 7 and 30 finished days are anomalies; 10,000 at most.
    pub last_7_days: usize,
    pub last_30_days: usize,
    /// Newest day first, 50 at most.
    pub newest: Vec<AnomalyEntry>,
}

/// A recorded value that is an anomaly.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AnomalyEntry {
    #[schema(value_type = String, format = Date)]
    pub metric_date: Date,
    #[schema(schema_with = metric_type)]
    pub metric_type: MetricType,
    pub metric_category: String,
    pub value: Decimal,
    pub judgement: ValueJudgement,
}

/// # Errors
/// When the store fails.
pub(super) async fn anomalies(context: &Context) -> Result<AnomaliesHealth, StoreError> {
    let to = context.last_finished();
    let first = |days: i64| to.saturating_sub((days - 1).days());
    let limit = i64::try_from(MAX_COUNTED).unwrap_or(i64::MAX);
    let found = context.tenant.store.anomalies(first(30), to, limit).await?;
    let is_recent = |anomaly: &&Anomaly| anomaly.day.date >= first(7);
    Ok(AnomaliesHealth {
        last_7_days: found.iter().filter(is_recent).count(),
        last_30_days: found.len(),
        newest: found.into_iter().take(MAX_LISTED).map(AnomalyEntry::from).collect(),
    })
}

impl From<Anomaly> for AnomalyEntry {
    fn from(Anomaly { day, value }: Anomaly) -> Self {
        Self {
            metric_date: day.date,
            metric_type: day.key.metric_type,
            metric_category: day.key.category,
            value,
            judgement: day.judgement.into(),
        }
    }
}
