//! The gaps of the last days, which are found in bounded time, and with a question to the platform every ten minutes at most: for a
//! report that is made every few seconds.

use jiff::{ToSpan, civil::Date};

use super::{
    before_first_row::with_before_first_row,
    gap::Gap,
    in_range::{Found, gaps_between, observable_from},
};
use crate::{
    collect::{CollectError, Context, first_row::remembered_first_day},
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
    let Found { gaps, .. } = gaps_between(context, metrics, from, to).await?;
    let observable_from = observable_from(context);
    let may_be_purged = |gap: &Gap| gap.first < observable_from && gap.cause.can_be_recorded();
    let first_row = match gaps.iter().any(may_be_purged) {
        true => remembered_first_day(context, metrics).await,
        false => None,
    };
    let gaps = with_before_first_row(gaps, calendar, first_row, observable_from);
    Ok(Some(RecentGaps { from, to, gaps }))
}
