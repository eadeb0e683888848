//! The latest value of a derived metric: on the newest day on which its inputs have one.

use std::collections::BTreeSet;

use jiff::{ToSpan, civil::Date};

use super::{
    catalogue::Catalogue, error::QueryError, interval::Interval, point::Point, series::series_until,
    series_query::SeriesQuery, values::latest,
};
use crate::{
    collect::Context,
    metric::{Decimal, Derivation, DerivedMetric, MetricKey},
    store::ValuesAsked,
};

/// How many days are looked back for a value: a month, so that the day of a month before is among them.
const DAYS_BACK: i64 = 62;

/// A value of a derived metric, and its values on earlier days.
pub(super) struct LatestDerived {
    pub date: Date,
    /// `None` if the inputs were recorded without a value.
    pub value: Option<Decimal>,
    pub day_before: Option<Decimal>,
    pub week_before: Option<Decimal>,
    pub month_before: Option<Decimal>,
}

/// The value of `metric` on the newest day that has one, among the two months that end with the newest day on which all of its
/// inputs are recorded.
///
/// # Errors
/// When the store fails.
pub(super) async fn latest_derived(
    context: &Context,
    catalogue: &Catalogue,
    metric: &DerivedMetric,
    values: ValuesAsked,
) -> Result<Option<LatestDerived>, QueryError> {
    let keys: Vec<_> = recorded_inputs(catalogue, &metric.derivation).into_iter().collect();
    let mut newest = Vec::with_capacity(keys.len());
    latest(context, catalogue, &keys, values, |latest| newest.push(latest.record.metric_date)).await?;
    let to = newest.iter().min().copied();
    let Some(to) = to.filter(|_| newest.len() == keys.len()) else { return Ok(None) };
    let query = SeriesQuery {
        from: to.saturating_sub(DAYS_BACK.days()),
        to,
        metrics: vec![metric.key.clone()],
        intervals: vec![Interval::Day],
        week_start: jiff::civil::Weekday::Monday,
        metadata: false,
        judgement: false,
        values,
        limit: usize::MAX,
        identity: 0,
        after: None,
    };
    let mut answer = series_until(context, catalogue, &query, context.last_finished(), usize::MAX).await?;
    let Some(series) = answer.series.pop() else { return Ok(None) };
    let Some(point) = series.points.iter().rev().find(|point| point.value.is_some() || point.no_data) else {
        return Ok(None);
    };
    let date = point.from;
    let on = |before: jiff::Span| {
        let day = date.checked_sub(before).ok()?;
        let points = &series.points;
        let place = points.binary_search_by_key(&day, |point: &Point| point.from).ok()?;
        points.get(place)?.value.clone()
    };
    Ok(Some(LatestDerived {
        date,
        value: point.value.clone(),
        day_before: on(1.day()),
        week_before: on(7.days()),
        month_before: on(1.month()),
    }))
}

/// The metrics of the store from which it is computed, directly or through other derived ones. A name that no metric has is left
/// out.
fn recorded_inputs(catalogue: &Catalogue, derivation: &Derivation) -> BTreeSet<MetricKey> {
    let keys = derivation.inputs().iter().filter_map(|name| catalogue.key_of(name));
    let of_key = |key: MetricKey| match catalogue.derived_metric(&key) {
        Some(derived) => recorded_inputs(catalogue, &derived.derivation),
        None => BTreeSet::from([key]),
    };
    keys.flat_map(of_key).collect()
}
