//! A derived series that is requested, and the buckets of its points.

use jiff::civil::{Date, Weekday};

use crate::{
    metric::DerivedMetric,
    query::{
        day_range::DayRange,
        interval::{Bucket, Interval},
        point::Point,
        response::{ProvenanceRun, Series, SeriesGap},
    },
    store::ValuesAsked,
};

/// A derived series that is requested.
#[derive(Debug, Clone, Copy)]
pub(in crate::query) struct DerivedRequest<'a> {
    pub metric: &'a DerivedMetric,
    pub interval: Interval,
    pub from: Date,
    pub to: Date,
    pub week_start: Weekday,
    pub metadata: bool,
    /// Which values of the inputs are read.
    pub values: ValuesAsked,
    pub last_finished: Date,
}

/// The points of a derived series, and how its days came about.
pub(super) struct DerivedPoints {
    pub points: Vec<Point>,
    pub recorded: Vec<ProvenanceRun>,
    pub gaps: Vec<SeriesGap>,
    pub inputs: Vec<Series>,
}

/// The days, or the buckets as far as they are in the range, that exist in the time zone.
pub(super) fn buckets<'a>(
    request: &DerivedRequest<'_>,
    range: &'a DayRange,
) -> impl Iterator<Item = Bucket> + use<'a> {
    let (from, to) = (request.from, request.to);
    let buckets = request.interval.buckets(from, to, request.week_start);
    buckets.map(move |bucket| bucket.clipped(from, to)).filter(|bucket| !range.days_in(*bucket).is_empty())
}

pub(super) fn empty_point(request: &DerivedRequest<'_>, range: &DayRange, bucket: Bucket) -> Point {
    let is_day = request.interval == Interval::Day;
    Point { is_day, ..Point::empty(bucket, range.days_due(bucket)) }
}
