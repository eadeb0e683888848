//! Moving sums and means: over a window of calendar days that ends with the day, which must all have a record.

use jiff::civil::Date;

use super::{
    days::{DerivedDay, gap_of, recorded_between, runs_and_gaps},
    request::{DerivedPoints, DerivedRequest, buckets, empty_point},
};
use crate::{
    metric::{Decimal, Fraction, MovingFunction, Window},
    query::{
        day_range::DayRange,
        interval::{Bucket, Interval},
        point::Point,
        response::Series,
        rollup::RollUp,
    },
};

/// A day with all days of its window recorded: the value, unless none of them has one.
struct MovedDay {
    date: Date,
    value: Option<Decimal>,
    exact: Option<Box<Fraction>>,
}

/// `inputs` is one series of days, from the first day of the first window on.
///
/// # Errors
/// The reason why the values of the input cannot be summed up.
pub(super) fn points(
    window: Window,
    function: MovingFunction,
    inputs: Vec<Series>,
    request: &DerivedRequest<'_>,
    range: &DayRange,
) -> Result<DerivedPoints, String> {
    let Some(input) = inputs.first() else { return Err("it is computed from no metric".to_owned()) };
    if function == MovingFunction::Sum && input.roll_up != RollUp::Sum {
        return Err(format!(
            "a moving sum adds up flows, and the values of `{}` are {}; use `moving = \"average\"`, or a metric of rows that \
             were created",
            input.metric_category,
            input.roll_up.noun()
        ));
    }
    let moved = moved(input, window, function, range);
    let points = match request.interval {
        Interval::Day => day_points(&moved, request, range),
        _ => bucket_points(&moved, request, range),
    };
    let (recorded, gaps) = runs_and_gaps(range, |date| of_day(input, window, date));
    Ok(DerivedPoints { points, recorded, gaps, inputs })
}

/// The days of the range whose windows are complete. Sums are carried from day to day, so that the length of the window
/// costs nothing.
fn moved(input: &Series, window: Window, function: MovingFunction, range: &DayRange) -> Vec<MovedDay> {
    let (mut sum, mut values, mut missing) = (Decimal::zero(), 0_i64, 0_usize);
    let is_missing = |point: &Point| point.value.is_none() && !point.no_data;
    let (mut first, mut moved) = (0, Vec::new());
    for point in &input.points {
        missing += usize::from(is_missing(point));
        if let Some(value) = summand(point) {
            (sum, values) = (&sum + &value, values + 1);
        }
        let begin = window.first(point.from);
        while let Some(gone) = input.points.get(first).filter(|gone| gone.from < begin) {
            missing -= usize::from(is_missing(gone));
            if let Some(value) = summand(gone) {
                (sum, values) = (&sum - &value, values - 1);
            }
            first += 1;
        }
        if point.from < range.from || missing > 0 {
            continue;
        }
        let (value, exact) = match function {
            // The sum of recorded values has no more digits than they have.
            MovingFunction::Sum => ((values > 0).then(|| sum.clone()), None),
            MovingFunction::Average => {
                let mean = Fraction::of(sum.clone(), Decimal::from(values));
                (mean.as_ref().map(Fraction::rounded), mean.and_then(Fraction::kept))
            }
        };
        moved.push(MovedDay { date: point.from, value, exact });
    }
    moved
}

/// The value of a day as it is added up: a quotient as a decimal with many more digits than are shown, because the sum of fractions with
/// many denominators would become very long.
fn summand(point: &Point) -> Option<Decimal> {
    point.exact_value().map(|value| value.to_decimal())
}

fn day_points(moved: &[MovedDay], request: &DerivedRequest<'_>, range: &DayRange) -> Vec<Point> {
    let mut moved = moved.iter().peekable();
    let point = |bucket: Bucket| {
        let empty = empty_point(request, range, bucket);
        match moved.next_if(|day| day.date == bucket.from) {
            Some(day) => Point {
                value: day.value.clone(),
                exact: day.exact.clone(),
                no_data: day.value.is_none(),
                days_recorded: 1,
                complete: true,
                ..empty
            },
            None => empty,
        }
    };
    buckets(request, range).map(point).collect()
}

/// The last value of each bucket.
fn bucket_points(moved: &[MovedDay], request: &DerivedRequest<'_>, range: &DayRange) -> Vec<Point> {
    let point = |bucket: Bucket| {
        let first = moved.partition_point(|day| day.date < bucket.from);
        let end = moved.partition_point(|day| day.date <= bucket.to);
        let days = moved.get(first..end).unwrap_or_default();
        let last = days.iter().rev().find(|day| day.value.is_some());
        let whole = request.interval.bucket(bucket.from, request.week_start);
        Point {
            value: last.and_then(|day| day.value.clone()),
            exact: last.and_then(|day| day.exact.clone()),
            value_date: last.map(|day| day.date),
            no_data: last.is_none() && !days.is_empty(),
            days_recorded: days.len(),
            complete: whole == bucket && days.len() == range.days_in(bucket).len(),
            ..empty_point(request, range, bucket)
        }
    };
    buckets(request, range).map(point).collect()
}

/// A day is missing for the last day of its window that is.
fn of_day(input: &Series, window: Window, date: Date) -> DerivedDay<'_> {
    let begin = window.first(date);
    let gaps = &input.gaps;
    let last = gaps.partition_point(|gap| gap.from <= date).checked_sub(1);
    let covering = last.and_then(|last| gaps.get(last)).filter(|gap| gap.to >= begin);
    match covering {
        Some(gap) => DerivedDay::Missing(input, gap_of(input, gap.to.min(date))),
        None => DerivedDay::Recorded(recorded_between(input, begin, date)),
    }
}
