//! Finds the records that cannot be read, and the values that were withdrawn. Their days have a record, so that they are no gaps by the
//! keys of the records alone.

use jiff::{ToSpan, civil::Date};

use super::gap::{Gap, GapCause};
use crate::{
    collect::Context,
    metric::MetricKey,
    store::{SeriesDays, SeriesQuestion, StoreError, StoredDefinition},
};

/// How many values, days multiplied by metrics, one statement reads. They are held in memory, with some hundred bytes each.
const MAX_READ_AT_ONCE: usize = 20_000;
/// How many values are read for one report, which takes some seconds. The days before them are not read.
const MAX_READ: usize = 1_000_000;

/// Returns a gap for consecutive days of `metrics` in `from..=to` whose value, provenance or version cannot be read, or whose value was
/// withdrawn, and the first day that was read if not all were. The newest days are read first. Metadata are not read: they are most of a record,
/// and a record without them still has a value.
pub(super) async fn without_value(
    context: &Context,
    metrics: &[StoredDefinition],
    from: Date,
    to: Date,
) -> Result<(Vec<Gap>, Option<Date>), StoreError> {
    let days_at_once = i64::try_from(MAX_READ_AT_ONCE / metrics.len().max(1)).unwrap_or(i64::MAX).max(1);
    let days_read = i64::try_from(MAX_READ / metrics.len().max(1)).unwrap_or(i64::MAX).max(1);
    let read_from = to.saturating_sub((days_read - 1).days()).max(from);
    let (mut found, mut last) = (Vec::new(), to);
    while last >= read_from {
        let first = last.saturating_sub((days_at_once - 1).days()).max(read_from);
        for metrics in metrics.chunks(MAX_READ_AT_ONCE) {
            found.extend(dates_without_value(context, metrics, first, last).await?);
        }
        match first.yesterday() {
            Ok(before) => last = before,
            Err(_) => break,
        }
    }
    found.sort_unstable_by(|(one, date, _), (other, other_date, _)| (one, date).cmp(&(other, other_date)));
    Ok((joined(found), (read_from > from).then_some(read_from)))
}

async fn dates_without_value(
    context: &Context,
    metrics: &[StoredDefinition],
    from: Date,
    to: Date,
) -> Result<Vec<(MetricKey, Date, GapCause)>, StoreError> {
    let keys = metrics.iter().map(|metric| metric.definition.key());
    let question = SeriesQuestion::of_values(keys, from, to);
    let series = context.tenant.store.series_days(&question).await?;
    let of_metric = metrics.iter().zip(series).flat_map(|(metric, days)| {
        let SeriesDays { unreadable, withdrawn, .. } = days;
        let unreadable = unreadable.into_iter().map(|date| (date, GapCause::UnreadableRecord));
        let withdrawn = withdrawn.into_iter().map(|date| (date, GapCause::Withdrawn));
        unreadable.chain(withdrawn).map(|(date, cause)| (metric.definition.key(), date, cause))
    });
    Ok(of_metric.collect())
}

/// Joins consecutive days of a metric. `found` is sorted.
fn joined(found: Vec<(MetricKey, Date, GapCause)>) -> Vec<Gap> {
    let mut gaps: Vec<Gap> = Vec::new();
    for (key, date, cause) in found {
        match gaps.last_mut() {
            Some(gap) if gap.key == key && gap.cause == cause && gap.last.tomorrow().ok() == Some(date) => {
                gap.last = date;
                gap.days += 1;
            }
            _ => gaps.push(Gap { key, first: date, last: date, days: 1, cause }),
        }
    }
    gaps
}
