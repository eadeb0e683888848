//! The gaps of some metrics in a range of days.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::{gap::Gap, history::History, without_value::without_value};
use crate::{
    blocking::block_in_place_if_large,
    collect::{CollectError, Context},
    store::StoredDefinition,
};

/// The gaps of a range.
pub(super) struct Found {
    /// By category and then by day, with the records that cannot be read and the values that were withdrawn.
    pub gaps: Vec<Gap>,
    /// The first day whose records were read, if they were too many to read all.
    pub records_read_from: Option<Date>,
}

/// The first day that can still be observed.
pub(super) fn observable_from(context: &Context) -> Date {
    context.observable(context.now()).unwrap_or_else(|| context.day_after(context.last_finished()))
}

/// The gaps of `metrics` from `from` to `to`.
pub(super) async fn gaps_between(
    context: &Context,
    metrics: &[StoredDefinition],
    from: Date,
    to: Date,
) -> Result<Found, CollectError> {
    let days: Vec<_> = context.tenant.calendar.days(from, to).iter().map(|day| day.date).collect();
    let recorded = context.tenant.store.recorded(from, to).await?;
    let history = History::read(context, from, to).await?;
    let none = BTreeSet::new();
    let observable_from = observable_from(context);
    let of = |metric: &StoredDefinition| {
        let key = metric.definition.key();
        let missing = missing(&days, recorded.get(&key).unwrap_or(&none).iter().copied());
        history.gaps(&context.tenant.calendar, metric, &missing, observable_from)
    };
    let mut gaps: Vec<_> =
        block_in_place_if_large(days.len() * metrics.len(), || metrics.iter().flat_map(of).collect());
    let (without_value, records_read_from) = without_value(context, metrics, from, to).await?;
    gaps.extend(without_value);
    gaps.sort_by(|one, other| (&one.key.category, one.first).cmp(&(&other.key.category, other.first)));
    Ok(Found { gaps, records_read_from })
}

/// Returns the `days` that are not in `recorded`, as intervals of consecutive days. Both arguments ascend.
pub fn missing(days: &[Date], recorded: impl IntoIterator<Item = Date>) -> Vec<&[Date]> {
    let (mut intervals, mut rest) = (Vec::new(), days);
    for date in recorded {
        // Usually no day is missing before `date`, so that this stops at the first comparison.
        let (before, from) = rest.split_at(rest.iter().take_while(|day| **day < date).count());
        if !before.is_empty() {
            intervals.push(before);
        }
        rest = from.strip_prefix(&[date]).unwrap_or(from);
    }
    if !rest.is_empty() {
        intervals.push(rest);
    }
    intervals
}
