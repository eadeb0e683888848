//! Series of metrics that are computed from the records of other metrics when they are read: moving sums and means, and
//! formulas. A day that lacks a value of an input is a gap, with the cause of the input's gap.

mod days;
mod formula;
mod moving;
mod request;

pub(super) use request::DerivedRequest;

use std::pin::Pin;

use jiff::civil::Date;
use request::{DerivedPoints, buckets, empty_point};

use super::{
    catalogue::Catalogue,
    day_range::DayRange,
    error::QueryError,
    interval::Interval,
    point::Point,
    provenance_run::version_changes_of,
    response::{Series, SeriesResponse},
    rollup::RollUp,
    series_query::SeriesQuery,
};
use crate::{
    collect::Context,
    metric::{Derivation, DerivedMetric},
};

/// The series of the inputs, in the order of the query's metrics. An input may be derived itself, so that the future may contain
/// one of its own kind and needs a type without a size.
pub(super) type InputSeries<'a> =
    Pin<Box<dyn Future<Output = Result<SeriesResponse, QueryError>> + Send + 'a>>;

/// The whole series, from as many series of its inputs as it has, which `read` reads.
///
/// # Errors
/// When the store fails, or `catalogue` is older than a record.
pub(super) async fn derived_series<'a>(
    context: &Context,
    catalogue: &Catalogue,
    request: DerivedRequest<'_>,
    read: impl Fn(SeriesQuery) -> InputSeries<'a>,
) -> Result<Series, QueryError> {
    let calendar = &context.tenant.calendar;
    let range = DayRange::new(calendar, request.from, request.to, request.last_finished);
    let derived = match &request.metric.derivation {
        Derivation::Formula(formula) => {
            let inputs = inputs(catalogue, &request, request.interval, request.from, read).await?;
            inputs.map(|inputs| formula::points(formula, inputs, &request, &range))
        }
        Derivation::Moving { window, function, .. } => {
            let first = window.first(range.from);
            let inputs = inputs(catalogue, &request, Interval::Day, first, read).await?;
            inputs.and_then(|inputs| moving::points(*window, *function, inputs, &request, &range))
        }
    };
    Ok(match derived {
        Ok(derived) => series(&request, derived, None),
        Err(reason) => {
            let (points, nothing) = (refused_points(&request, &range, &reason), Vec::new());
            let refused = DerivedPoints { points, recorded: nothing, gaps: Vec::new(), inputs: Vec::new() };
            series(&request, refused, Some(reason))
        }
    })
}

/// How the values of several days of a derived metric combine into one.
pub(super) fn roll_up(derivation: &Derivation) -> RollUp {
    match derivation {
        Derivation::Formula(_) => RollUp::Formula,
        Derivation::Moving { .. } => RollUp::Last,
    }
}

/// A series of each input from `from` on, in the order of their names; or the reason why one of them cannot be read.
async fn inputs<'a>(
    catalogue: &Catalogue,
    request: &DerivedRequest<'_>,
    interval: Interval,
    from: Date,
    read: impl Fn(SeriesQuery) -> InputSeries<'a>,
) -> Result<Result<Vec<Series>, String>, QueryError> {
    let mut metrics = Vec::new();
    for name in request.metric.derivation.inputs() {
        match catalogue.key_of(name) {
            Some(key) => metrics.push(key),
            None => return Ok(Err(format!("it is computed from `{name}`, and no metric has that name"))),
        }
    }
    let query = SeriesQuery {
        from,
        to: request.to,
        metrics,
        intervals: vec![interval],
        week_start: request.week_start,
        metadata: false,
        judgement: false,
        values: request.values,
        limit: usize::MAX,
        identity: 0,
        after: None,
    };
    Ok(Ok(read(query).await?.series))
}

fn series(request: &DerivedRequest<'_>, derived: DerivedPoints, refused: Option<String>) -> Series {
    let DerivedMetric { key, display_name, unit, format_pattern, derivation, .. } = request.metric;
    let is_inside = |date: Date| request.from <= date && date <= request.to;
    Series {
        metric_type: key.metric_type,
        metric_category: key.category.clone(),
        display_name: display_name.clone(),
        unit: unit.clone(),
        format_pattern: format_pattern.clone(),
        is_active: true,
        interval: request.interval,
        part: None,
        roll_up: roll_up(derivation),
        has_labels: false,
        refused,
        points: derived.points,
        recorded: derived.recorded,
        gaps: derived.gaps,
        version_changes: version_changes_of(&derived.inputs, is_inside),
    }
}

/// A point without a value for each day or bucket.
fn refused_points(request: &DerivedRequest<'_>, range: &DayRange, reason: &str) -> Vec<Point> {
    let refused = |bucket| Point { refused: Some(reason.to_owned()), ..empty_point(request, range, bucket) };
    buckets(request, range).map(refused).collect()
}
