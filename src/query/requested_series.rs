//! Which series a query requests, recorded and derived ones, and the order in which pages have them.

use super::{
    catalogue::{Catalogue, order},
    error::{QueryError, Refusal},
    interval::Interval,
    rollup::never_reason,
    series_builder::is_refused,
    series_query::SeriesQuery,
    values::Wanted,
};
use crate::metric::{DerivedMetric, MetricKey};

/// A series that is requested.
#[derive(Debug, Clone, Copy)]
pub(super) enum RequestedSeries<'a> {
    Recorded(Wanted<'a>),
    Derived(&'a DerivedMetric, Interval),
}

impl<'a> RequestedSeries<'a> {
    pub fn recorded(&self) -> Option<Wanted<'a>> {
        match self {
            Self::Recorded(wanted) => Some(*wanted),
            Self::Derived(..) => None,
        }
    }

    pub fn key(&self) -> &'a MetricKey {
        match self {
            Self::Recorded(wanted) => &wanted.metric.key,
            Self::Derived(metric, _) => &metric.key,
        }
    }

    pub fn interval(&self) -> Interval {
        match self {
            Self::Recorded(wanted) => wanted.interval,
            Self::Derived(_, interval) => *interval,
        }
    }
}

/// All series of the query, on every page.
fn all<'a>(catalogue: &'a Catalogue, query: &'a SeriesQuery) -> impl Iterator<Item = RequestedSeries<'a>> {
    let of_key = move |key: &'a MetricKey, interval: Interval| {
        let recorded = catalogue.get(key).map(|metric| {
            RequestedSeries::Recorded(Wanted::new(metric, interval, query.metadata, query.judgement))
        });
        recorded.or(catalogue.derived_metric(key).map(|metric| RequestedSeries::Derived(metric, interval)))
    };
    let of_metric =
        move |key: &'a MetricKey| query.intervals.iter().filter_map(move |interval| of_key(key, *interval));
    query.metrics.iter().flat_map(of_metric)
}

/// The series of this page and all later pages. The series that the page before cut comes first.
pub(super) fn requested<'a>(catalogue: &'a Catalogue, query: &'a SeriesQuery) -> Vec<RequestedSeries<'a>> {
    let is_later = |key: &MetricKey, interval: Interval| match &query.after {
        None => true,
        Some(after) => {
            let place = order(key, &after.key).then(interval.cmp(&after.interval));
            place.is_gt() || (place.is_eq() && after.next_day.is_some())
        }
    };
    all(catalogue, query).filter(|series| is_later(series.key(), series.interval())).collect()
}

/// # Errors
/// [`QueryError::Refused`] when none of the requested series can be made.
pub(super) fn refuse_hopeless(catalogue: &Catalogue, query: &SeriesQuery) -> Result<(), QueryError> {
    // Whether a derived series can be made is known once its inputs are read.
    let recorded = || all(catalogue, query).map(|series| series.recorded());
    let hopeful =
        recorded().any(|wanted| wanted.is_none_or(|wanted| !is_refused(wanted.metric, wanted.interval)));
    let refusal = |Wanted { metric, interval, .. }: Wanted<'_>| Refusal {
        key: metric.key.clone(),
        interval,
        reason: never_reason(metric.definition()).to_owned(),
    };
    let refusals: Vec<_> = recorded().flatten().map(refusal).collect();
    if hopeful || refusals.is_empty() { Ok(()) } else { Err(QueryError::Refused(refusals)) }
}
