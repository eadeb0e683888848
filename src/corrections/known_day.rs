//! The recorded days that a request is about, each with what is in force.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::{
    collect::Context,
    metric::MetricKey,
    store::{AskedMetric, RecordedDay, SeriesQuestion, StoreError, ValuesAsked},
};

/// A recorded day that a request is about.
pub(super) struct KnownDay {
    pub recorded: RecordedDay,
    /// `None` where the value was withdrawn.
    pub in_force: Option<RecordedDay>,
    /// The number of its last revision, or 0.
    pub last_revision: i32,
}

impl KnownDay {
    /// The value in force; where it was withdrawn, the value of the record.
    pub fn basis(&self) -> &RecordedDay {
        self.in_force.as_ref().unwrap_or(&self.recorded)
    }
}

/// The recorded days of a metric. Each may have two mebibytes of metadata, those of the record and those in force.
pub(super) async fn known_days(
    context: &Context,
    key: &MetricKey,
    from: Date,
    to: Date,
) -> Result<BTreeMap<Date, KnownDay>, StoreError> {
    // The numbers are read first: a revision that comes after them makes the write of its day a conflict.
    let revisions = context.tenant.store.last_revisions(key, from, to).await?;
    let recorded = read(context, key, (from, to), true).await?;
    let mut in_force = read(context, key, (from, to), false).await?;
    let known = recorded.into_iter().map(|(date, recorded)| {
        let last_revision = revisions.get(&date).map_or(0, |last| last.number);
        (date, KnownDay { recorded, in_force: in_force.remove(&date), last_revision })
    });
    Ok(known.collect())
}

async fn read(
    context: &Context,
    key: &MetricKey,
    (from, to): (Date, Date),
    as_recorded: bool,
) -> Result<BTreeMap<Date, RecordedDay>, StoreError> {
    let question = SeriesQuestion {
        from,
        to,
        metrics: vec![AskedMetric { key: key.clone(), metadata: true, judgement: false }],
        values: ValuesAsked { as_recorded, as_of: None },
    };
    let series = context.tenant.store.series_days(&question).await?;
    let days = series.into_iter().flat_map(|series| series.recorded);
    Ok(days.map(|day| (day.date, day)).collect())
}
