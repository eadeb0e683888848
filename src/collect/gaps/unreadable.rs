//! Finds the records that cannot be read. Their days have a record, so that they are no gaps by the keys of the records alone.

use jiff::{ToSpan, civil::Date};

use super::gap::{Gap, GapCause};
use crate::{
    collect::Context,
    store::{AskedMetric, SeriesQuestion, StoreError, StoredDefinition},
};

/// The days that are read at once.
const DAYS: i64 = 366;

/// A gap for each record of `metrics` in `from..=to` whose value, provenance or version cannot be read. Metadata are not read:
/// they are most of a record, and a record without them still has a value.
pub(super) async fn unreadable(
    context: &Context,
    metrics: &[StoredDefinition],
    from: Date,
    to: Date,
) -> Result<Vec<Gap>, StoreError> {
    let keys: Vec<_> = metrics.iter().map(|metric| metric.definition.key()).collect();
    let asked: Vec<_> = keys.iter().map(|key| AskedMetric { key: key.clone(), metadata: false }).collect();
    let (mut gaps, mut first) = (Vec::new(), from);
    while first <= to {
        let last = first.saturating_add((DAYS - 1).days()).min(to);
        let question = SeriesQuestion { from: first, to: last, metrics: asked.clone() };
        let found = context.tenant.store.series(&question).await?.series;
        for (key, days) in keys.iter().zip(found) {
            let gap = |date| Gap {
                key: key.clone(),
                first: date,
                last: date,
                days: 1,
                cause: GapCause::UnreadableRecord,
            };
            gaps.extend(days.unreadable.into_iter().map(gap));
        }
        first = last.saturating_add(1.day());
    }
    Ok(gaps)
}
