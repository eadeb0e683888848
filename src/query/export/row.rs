//! A row of an export: a day or a longer interval of one metric.

use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    collect::Context,
    metric::Exact,
    query::{Interval, Point, Question, Series, SeriesAnswer, range::Range},
};

const RECORDED: &str = "recorded";
/// What is recorded makes no value for the interval.
const REFUSED: &str = "refused";

#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    /// The first day.
    pub metric_date: Date,
    /// The last day.
    pub metric_date_end: Date,
    pub interval: &'static str,
    pub metric_type: &'static str,
    pub metric_category: String,
    pub value: Option<Exact>,
    /// `recorded`, `refused`, or the cause of the gap.
    pub state: &'static str,
    pub provenance: Option<&'static str>,
    pub definition_version: Option<i32>,
    pub days_recorded: usize,
    pub days_due: usize,
    pub metadata: Option<Box<Map<String, Value>>>,
}

impl Row {
    /// The names of the fields, in their order.
    pub const COLUMNS: [&str; 12] = [
        "metric_date",
        "metric_date_end",
        "interval",
        "metric_type",
        "metric_category",
        "value",
        "state",
        "provenance",
        "definition_version",
        "days_recorded",
        "days_due",
        "metadata",
    ];

    fn new(series: &Series, point: Point) -> Self {
        let state = match (&point.value, &point.refused) {
            (Some(_), _) => RECORDED,
            (None, Some(_)) => REFUSED,
            (None, None) => cause(series, &point),
        };
        Self {
            metric_date: point.from,
            metric_date_end: point.to,
            interval: series.interval.name(),
            metric_type: series.metric_type.name(),
            metric_category: series.metric_category.clone(),
            value: point.value,
            state,
            provenance: point.provenance.map(|provenance| provenance.name()),
            definition_version: point.definition_version,
            days_recorded: point.days_recorded,
            days_due: point.days_due,
            metadata: point.metadata,
        }
    }

    /// The metadata as JSON text.
    pub fn metadata_text(&self) -> Option<String> {
        self.metadata.as_ref().map(|metadata| serde_json::to_string(metadata).unwrap_or_default())
    }
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
pub(super) fn rows(context: &Context, answer: SeriesAnswer, question: &Question) -> Vec<Row> {
    let range = Range::new(&context.calendar, answer.from, answer.to, answer.last_finished);
    let mut rows = Vec::new();
    for mut series in answer.series {
        let points = match series.refused {
            None => std::mem::take(&mut series.points),
            Some(_) => empty_points(&range, series.interval, question),
        };
        rows.extend(points.into_iter().map(|point| Row::new(&series, point)));
    }
    // Stable: the metrics of a bucket stay in their order.
    rows.sort_by_key(|row| row.metric_date);
    rows
}

/// The points of a series that cannot be made.
fn empty_points(range: &Range, interval: Interval, question: &Question) -> Vec<Point> {
    let buckets = interval.buckets(range.from, range.to, question.week_start);
    let buckets = buckets.map(|bucket| bucket.clipped(range.from, range.to));
    let existing = buckets.filter(|bucket| !range.days_in(*bucket).is_empty());
    existing.map(|bucket| Point::empty(bucket, range.days_due(bucket))).collect()
}
