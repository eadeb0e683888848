//! The gaps of the last days, which are found without asking the platform and in bounded time: for a report that is made every
//! few seconds.

use jiff::{ToSpan, civil::Date};

use super::{gap::Gap, in_range::gaps_between};
use crate::{
    collect::{CollectError, Context},
    store::StoredDefinition,
};

/// The gaps of the days whose time to be collected has come.
#[derive(Debug, Clone)]
pub struct RecentGaps {
    pub from: Date,
    pub to: Date,
    pub gaps: Vec<Gap>,
}

/// Lists the gaps of `metrics` in the last `days` days that were due. It begins with the first recorded day, or with the first
/// day on which one of them was defined, where that is later. `None`: no day was due yet, or there is no metric.
///
/// # Errors
/// When the store fails.
pub async fn recent_gaps(
    context: &Context,
    metrics: &[StoredDefinition],
    days: i32,
) -> Result<Option<RecentGaps>, CollectError> {
    let Some(to) = context.due_times().last_due(context.now()) else { return Ok(None) };
    let calendar = &context.tenant.calendar;
    let Some(defined_on) = metrics.iter().map(|metric| calendar.date_of(metric.created_at)).min() else {
        return Ok(None);
    };
    let recorded = context.tenant.store.recorded_span().await?;
    let first = recorded.map_or(defined_on, |(first, _)| first.min(defined_on));
    let from = to.saturating_sub((days - 1).days()).max(first).min(to);
    let gaps = gaps_between(context, metrics, from, to).await?;
    Ok(Some(RecentGaps { from, to, gaps }))
}
