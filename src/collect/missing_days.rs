//! Finds the days that metrics lack, from the store.

use std::collections::{BTreeSet, HashMap};

use jiff::{Timestamp, civil::Date};

use super::{CollectError, Context, FIRST_DAY, KnownFirstRow, platform_first_row};
use crate::{
    metric::{BackfillMode, MetricKey},
    store::{RecordCount, StoreError, StoredDefinition},
};

/// The days of a metric that should be recorded and are not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricGaps {
    pub category: String,
    /// Ascending.
    pub days: Vec<Date>,
    /// When its definition was changed last.
    pub changed_at: Timestamp,
}

type ChangeTimes = HashMap<(MetricKey, i32), Timestamp>;

/// The metrics that `date` lacks. Those whose query can only tell of now count as long as the day can be observed. A day that can
/// only be reconstructed lacks nothing before the platform's first row.
///
/// # Errors
/// When the store fails.
pub async fn missing_on(
    context: &Context,
    metrics: &[StoredDefinition],
    date: Date,
) -> Result<Vec<MetricGaps>, CollectError> {
    let recorded = context.tenant.store.recorded(date, date).await?;
    let is_observable = context.observable(context.now()) == Some(date);
    let is_missing = |metric: &&StoredDefinition| {
        (is_observable || metric.definition.measure.reconstructible())
            && !recorded.get(&metric.definition.key()).is_some_and(|days| days.contains(&date))
    };
    let missing: Vec<_> = metrics.iter().filter(is_missing).collect();
    let is_before_platform =
        async || platform_first_row(context, date).await.certain().is_some_and(|first| date < first.date);
    if missing.is_empty() || !is_observable && is_before_platform().await {
        return Ok(Vec::new());
    }
    let changed = change_times(context).await?;
    Ok(missing.into_iter().map(|metric| gaps(metric, vec![date], &changed)).collect())
}

/// The days that each metric lacks up to and including `last`, from its own first day on: its first recorded day, or
/// the day on which it was defined if that is earlier. With `backfill = "auto"` it begins with the platform's first
/// row.
///
/// # Errors
/// When the store fails.
pub async fn missed_until(
    context: &Context,
    metrics: &[StoredDefinition],
    last: Date,
) -> Result<Vec<MetricGaps>, CollectError> {
    let known = match metrics.iter().any(is_auto) {
        true => Some(platform_first_row(context, last).await),
        false => None,
    };
    let earliest = known.as_ref().and_then(|known| known.earliest.as_ref()).map(|first| first.date);
    let incomplete = incomplete(context, metrics, earliest, last).await?;
    let Some(first) = incomplete.iter().map(|(_, first)| *first).min() else { return Ok(Vec::new()) };
    // Nothing can be reconstructed before the platform's first row.
    let known: KnownFirstRow = match known {
        Some(known) => known,
        None => platform_first_row(context, last).await,
    };
    let platform_first = known.certain().map(|first| first.date);
    let recorded = context.tenant.store.recorded(first, last).await?;
    let changed = change_times(context).await?;
    let none = BTreeSet::new();
    let of_metric = |(metric, first): &(&StoredDefinition, Date)| {
        let there = recorded.get(&metric.definition.key()).unwrap_or(&none);
        let first = platform_first.map_or(*first, |platform_first| platform_first.max(*first));
        let days = context.tenant.calendar.days(first, last).into_iter().map(|day| day.date);
        gaps(metric, days.filter(|date| !there.contains(date)).collect(), &changed)
    };
    Ok(incomplete.iter().map(of_metric).filter(|metric| !metric.days.is_empty()).collect())
}

/// The metrics that have fewer records until `last` than there are days, each with its first day. `earliest` is the day of the
/// platform's earliest row that is known.
async fn incomplete<'a>(
    context: &Context,
    metrics: &'a [StoredDefinition],
    earliest: Option<Date>,
    last: Date,
) -> Result<Vec<(&'a StoredDefinition, Date)>, CollectError> {
    let calendar = &context.tenant.calendar;
    let metrics: Vec<_> =
        metrics.iter().filter(|metric| metric.definition.measure.reconstructible()).collect();
    let never = calendar.skipped(FIRST_DAY, last);
    let counts = context.tenant.store.summary(last, &never).await?.counts;
    let counts: HashMap<_, RecordCount> =
        counts.into_iter().map(|count| (count.key.clone(), count)).collect();
    let with_first_day = |metric: &'a StoredDefinition| {
        let count = counts.get(&metric.definition.key());
        let first_recorded = count.map(|count| count.first);
        let defined_on = calendar.date_of(metric.created_at);
        let of_platform = earliest.filter(|_| is_auto(metric));
        let first = first_recorded.into_iter().chain(of_platform).fold(defined_on, Date::min);
        let there = count.map_or(0, |count| count.until_day);
        (first <= last && there < calendar.days(first, last).len()).then_some((metric, first))
    };
    Ok(metrics.into_iter().filter_map(with_first_day).collect())
}

fn is_auto(metric: &StoredDefinition) -> bool {
    metric.definition.backfill == BackfillMode::Auto && metric.definition.measure.reconstructible()
}

/// When each version of a definition was made.
async fn change_times(context: &Context) -> Result<ChangeTimes, StoreError> {
    let versions = context.tenant.store.definition_versions().await?;
    Ok(versions.into_iter().map(|version| ((version.key, version.version), version.created_at)).collect())
}

fn gaps(metric: &StoredDefinition, days: Vec<Date>, changed: &ChangeTimes) -> MetricGaps {
    let key = metric.definition.key();
    let changed_at = changed.get(&(key, metric.version)).copied().unwrap_or(metric.created_at);
    MetricGaps { category: metric.definition.category.clone(), days, changed_at }
}
