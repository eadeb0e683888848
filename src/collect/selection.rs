//! Selects the metrics of a run.

use super::{CollectError, Context};
use crate::{
    config::{shown, suggestion},
    metric::{MetricKey, recorded_inputs},
    store::{Store, StoredDefinition},
};

/// A metric that a run did not try to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    pub key: MetricKey,
    pub reason: String,
}

impl LeftOut {
    pub(crate) fn not_reconstructible(key: MetricKey) -> Self {
        let reason = "its query does not use the day ({day_start}, {day_end} or {day}), so it returns the present value only and \
                      is recorded only within `collect.observed_within_hours` of the day's end";
        Self { key, reason: reason.to_owned() }
    }
}

/// Returns the active metrics, or those of them that `only` names.
pub(crate) async fn select(
    context: &Context,
    only: &[String],
) -> Result<Vec<StoredDefinition>, CollectError> {
    let active = active(context.tenant.store.as_ref()).await?;
    if active.is_empty() {
        return Err(CollectError::NoDefinitions);
    }
    if let Some(name) = only.iter().find(|name| !active.iter().any(|metric| is_called(metric, name))) {
        let categories = active.iter().map(|metric| metric.definition.category.as_str());
        return Err(unknown_metric(
            context,
            name,
            categories,
            "`daymark backfill --dry-run` lists the active metrics",
        ));
    }
    let is_selected =
        |metric: &StoredDefinition| only.is_empty() || only.iter().any(|name| is_called(metric, name));
    Ok(active.into_iter().filter(is_selected).collect())
}

/// The error for a name that no recorded metric has. `otherwise` is the hint if no known name is similar.
pub fn unknown_metric<'a>(
    context: &Context,
    name: &str,
    categories: impl IntoIterator<Item = &'a str>,
    otherwise: &str,
) -> CollectError {
    let (derived, name) = (&context.tenant.derived, name.to_owned());
    if derived.iter().any(|metric| metric.key.category == name) {
        let inputs = recorded_inputs(derived, &name).into_iter().map(shown).collect::<Vec<_>>().join(", ");
        return CollectError::Derived { name, inputs };
    }
    let suggestion = suggestion(&name, categories).unwrap_or_else(|| otherwise.to_owned());
    CollectError::UnknownMetric { name, suggestion }
}

/// Fails unless the calendar's time zone is that of the definitions, because a record's day is interpreted in the time
/// zone of its definition's version.
pub(crate) fn require_time_zone(context: &Context, metrics: &[StoredDefinition]) -> Result<(), CollectError> {
    let configured = context.tenant.calendar.name();
    let zones = metrics.iter().map(|metric| metric.definition.time_zone.as_str());
    match zones.into_iter().find(|stored| *stored != configured) {
        None => Ok(()),
        Some(stored) => {
            Err(CollectError::OtherTimeZone { stored: stored.to_owned(), configured: configured.to_owned() })
        }
    }
}

pub(crate) async fn active(store: &dyn Store) -> Result<Vec<StoredDefinition>, CollectError> {
    Ok(store.definitions().await?.into_iter().filter(|metric| metric.is_active).collect())
}

/// The metrics that are recorded.
///
/// # Errors
/// When the store fails.
pub async fn active_metrics(context: &Context) -> Result<Vec<StoredDefinition>, CollectError> {
    active(context.tenant.store.as_ref()).await
}

fn is_called(metric: &StoredDefinition, name: &str) -> bool {
    metric.definition.category == name
}
