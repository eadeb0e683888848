//! How many recorded values of the last days are anomalies, and the newest of them.

use jiff::ToSpan;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    collect::Context,
    query::anomalies::AnomalyEntry,
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
