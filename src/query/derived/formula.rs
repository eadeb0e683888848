//! Formulas: computed from the values of the same day, or of the same week, month, quarter or year.

use serde_json::{Map, Value};

use super::{
    days::{DerivedDay, gap_of, recorded_as, runs_and_gaps},
    request::{DerivedPoints, DerivedRequest, buckets, empty_point},
};
use crate::{
    metric::{CompiledFormula, Fraction, MetricFormula},
    query::{
        day_range::DayRange,
        interval::Bucket,
        metadata::MetadataText,
        point::{Point, PointProvenance},
        response::Series,
    },
};

/// `inputs` have a point for each bucket of the request.
pub(super) fn points(
    formula: &MetricFormula,
    inputs: Vec<Series>,
    request: &DerivedRequest<'_>,
    range: &DayRange,
) -> DerivedPoints {
    let compiled = formula.compiled();
    let points = buckets(request, range).enumerate().map(|(place, bucket)| {
        let of: Vec<_> = inputs.iter().filter_map(|input| Some((input, input.points.get(place)?))).collect();
        let whole = request.interval.bucket(bucket.from, request.week_start);
        let empty = empty_point(request, range, bucket);
        let is_whole = whole == bucket;
        point(&compiled, &of, is_whole, range, empty, request.metadata)
    });
    let points = points.collect();
    let of_day = |date| {
        let missing = inputs.iter().find(|input| recorded_as(input, date).is_none());
        match missing {
            Some(input) => DerivedDay::Missing(input, gap_of(input, date)),
            None => DerivedDay::Recorded(
                inputs.iter().filter_map(|input| recorded_as(input, date)).max().unwrap_or(0),
            ),
        }
    };
    let (recorded, gaps) = runs_and_gaps(range, of_day);
    DerivedPoints { points, recorded, gaps, inputs }
}

/// The point of one bucket, whose place without a value is `empty`.
fn point(
    formula: &CompiledFormula,
    inputs: &[(&Series, &Point)],
    is_whole: bool,
    range: &DayRange,
    empty: Point,
    metadata: bool,
) -> Point {
    let bucket = Bucket { from: empty.from, to: empty.to };
    let days = range.days_in(bucket);
    let has_all =
        |date: &&jiff::civil::Date| inputs.iter().all(|(input, _)| recorded_as(input, **date).is_some());
    let days_recorded = days.iter().filter(has_all).count();
    let point = Point {
        days_recorded,
        complete: is_whole && days_recorded == days.len(),
        provenance: provenance(inputs),
        ..empty
    };
    let refused = inputs.iter().find_map(|(input, point)| Some((input, point.refused.as_ref()?)));
    if let Some((input, reason)) = refused {
        return Point { refused: Some(format!("its input `{}`: {reason}", input.metric_category)), ..point };
    }
    if inputs.iter().any(|(_, point)| point.value.is_none() && !point.no_data) {
        return point;
    }
    let is_day = point.is_day;
    if !is_day && inputs.iter().any(|(_, input)| input.days_recorded != days_recorded) {
        let refused = Some("its inputs are not recorded on the same days".to_owned());
        return Point { refused, ..point };
    }
    let values: Option<Vec<_>> = inputs.iter().map(|(_, point)| point.exact_value()).collect();
    let exact = values.and_then(|values| formula.value(values));
    let value = exact.as_ref().map(Fraction::rounded);
    let metadata = metadata.then(|| MetadataText::of(input_values(inputs)));
    Point { no_data: value.is_none(), value, exact: exact.and_then(Fraction::kept), metadata, ..point }
}

fn input_values(inputs: &[(&Series, &Point)]) -> Map<String, Value> {
    let value = |(input, point): &(&Series, &Point)| {
        let value = point.value.as_ref().map_or(Value::Null, crate::metric::Decimal::to_json);
        (input.metric_category.clone(), value)
    };
    Map::from_iter([("inputs".to_owned(), Value::Object(inputs.iter().map(value).collect()))])
}

/// The provenance of all inputs, where it is the same.
fn provenance(inputs: &[(&Series, &Point)]) -> Option<PointProvenance> {
    let mut all = inputs.iter().map(|(_, point)| point.provenance);
    let first = all.next()??;
    Some(if all.all(|one| one == Some(first)) { first } else { PointProvenance::Mixed })
}
