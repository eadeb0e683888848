//! A row of a series' export: a day or a longer interval of one metric.

use jiff::civil::Date;

use super::table::{Cell, Cells, Column, Kind, optional, required};
use crate::{
    collect::Context,
    query::{Interval, Point, Question, Series, SeriesAnswer, range::Range},
};

const RECORDED: &str = "recorded";
/// What is recorded makes no value for the interval.
const REFUSED: &str = "refused";

pub(super) const COLUMNS: &[Column] = &[
    // The first day, and the last.
    required("metric_date", Kind::Date),
    required("metric_date_end", Kind::Date),
    required("interval", Kind::Text),
    required("metric_type", Kind::Text),
    required("metric_category", Kind::Text),
    optional("value", Kind::Decimal),
    // `recorded`, `refused`, or the cause of the gap.
    required("state", Kind::Text),
    optional("provenance", Kind::Text),
    optional("definition_version", Kind::Number),
    required("days_recorded", Kind::Number),
    required("days_due", Kind::Number),
    optional("metadata", Kind::Object),
];

fn row(series: &Series, point: Point) -> Cells {
    let state = match (&point.value, &point.refused) {
        (Some(_), _) => RECORDED,
        (None, Some(_)) => REFUSED,
        (None, None) => cause(series, &point),
    };
    vec![
        Cell::Date(point.from),
        Cell::Date(point.to),
        Cell::Word(series.interval.name()),
        Cell::Word(series.metric_type.name()),
        Cell::Text(series.metric_category.clone()),
        Cell::or_none(point.value, Cell::Decimal),
        Cell::Word(state),
        Cell::or_none(point.provenance, |provenance| Cell::Word(provenance.name())),
        Cell::or_none(point.definition_version, |version| Cell::Integer(version.into())),
        Cell::count(point.days_recorded),
        Cell::count(point.days_due),
        Cell::or_none(point.metadata, Cell::Object),
    ]
}

/// Why nothing of the point's days is recorded: the cause of the first of them.
fn cause(series: &Series, point: &Point) -> &'static str {
    if series.refused.is_some() {
        return REFUSED;
    }
    let gaps = &series.gaps;
    gaps.get(gaps.partition_point(|gap| gap.to < point.from)).map_or(REFUSED, |gap| gap.cause)
}

/// The rows of an answer, by bucket and then by metric.
pub(super) fn rows(context: &Context, answer: SeriesAnswer, question: &Question) -> Vec<Cells> {
    let range = Range::new(&context.calendar, answer.from, answer.to, answer.last_finished);
    let mut rows: Vec<(Date, Cells)> = Vec::new();
    for mut series in answer.series {
        let points = match series.refused {
            None => std::mem::take(&mut series.points),
            Some(_) => empty_points(&range, series.interval, question),
        };
        rows.extend(points.into_iter().map(|point| (point.from, row(&series, point))));
    }
    // Stable: the metrics of a bucket stay in their order.
    rows.sort_by_key(|(first_day, _)| *first_day);
    rows.into_iter().map(|(_, row)| row).collect()
}

/// The points of a series that cannot be made.
fn empty_points(range: &Range, interval: Interval, question: &Question) -> Vec<Point> {
    let buckets = interval.buckets(range.from, range.to, question.week_start);
    let buckets = buckets.map(|bucket| bucket.clipped(range.from, range.to));
    let existing = buckets.filter(|bucket| !range.days_in(*bucket).is_empty());
    existing.map(|bucket| Point::empty(bucket, range.days_due(bucket))).collect()
}
