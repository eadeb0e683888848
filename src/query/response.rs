//! The shape of an answer about series. Field names and types are the documented ones of the API.

use jiff::{Timestamp, civil::Date};
use serde::Serialize;
use strum::IntoEnumIterator;
use utoipa::{
    ToSchema,
    openapi::{Object, ObjectBuilder, Type},
};

use super::{interval::Interval, point::Point, rollup::RollUp};
use crate::metric::{MetricType, Provenance};

/// Every cause that a gap can have.
pub(super) const CAUSES: [&str; 10] = [
    "never_collected",
    "failed",
    "timed_out",
    RUNNING,
    "defined_later",
    "not_reconstructible",
    "before_first_row",
    "unreadable_record",
    "withdrawn",
    NOT_YET_DUE,
];
const RUNNING: &str = "running";
pub(super) const NOT_YET_DUE: &str = "not_yet_due";

/// How many bytes the metadata of a response without pages take at most, the points of a page of series without metadata, and the
/// runs of a page of the log, about.
pub(super) const RESPONSE_BYTES: usize = 8 * 1024 * 1024;

/// Series of points, one for each metric and interval asked.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SeriesResponse {
    #[schema(value_type = String, format = Date)]
    pub from: Date,
    #[schema(value_type = String, format = Date)]
    pub to: Date,
    /// The IANA time zone whose days these are.
    pub time_zone: String,
    /// The first day of a week: `monday` …
    pub week_start: &'static str,
    /// The last day that is over and may be recorded.
    #[schema(value_type = String, format = Date)]
    pub last_finished: Date,
    /// By category, type and interval.
    pub series: Vec<Series>,
    /// The cursor of the next page of series; null on the last page.
    pub next_cursor: Option<String>,
}

impl SeriesResponse {
    /// Whether the answer may become wrong without a commit: a running run explains a gap, and may die.
    pub fn is_volatile(&self) -> bool {
        self.series.iter().flat_map(|series| &series.gaps).any(|gap| gap.cause == RUNNING)
    }

    /// About how much work it is to write it, in points without metadata.
    pub fn size(&self) -> usize {
        self.series.iter().flat_map(|series| &series.points).map(|point| 1 + point.bytes() / 256).sum()
    }
}

/// The points of one metric in one interval.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Series {
    #[schema(schema_with = metric_type)]
    pub metric_type: MetricType,
    pub metric_category: String,
    pub display_name: String,
    pub unit: String,
    pub format_pattern: String,
    pub is_active: bool,
    pub interval: Interval,
    /// The days of the series that this page has; only present if the page ends within the series. The next page
    /// continues with the day after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<SeriesPart>,
    pub roll_up: RollUp,
    /// Present and true if the metric has labels: the metadata of its points have a value for each of them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub has_labels: bool,
    /// Why no point has a value: the values of this metric cannot be rolled up.
    pub refused: Option<String>,
    pub points: Vec<Point>,
    /// The days with a record, whatever the interval. These and the gaps are all days of the range.
    pub recorded: Vec<ProvenanceRun>,
    /// The days without a record, whatever the interval.
    pub gaps: Vec<SeriesGap>,
    /// The days at which another version of the definition begins; the meaning of the values may differ before and
    /// after. Absent if all values are of one version.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub version_changes: Vec<VersionChange>,
}

/// The days of a series that one page has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct SeriesPart {
    #[schema(value_type = String, format = Date)]
    pub from: Date,
    #[schema(value_type = String, format = Date)]
    pub to: Date,
}

/// The first day that was recorded by another version of the definition than the previous recorded day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct VersionChange {
    #[schema(value_type = String, format = Date)]
    pub date: Date,
    pub from_version: i32,
    pub to_version: i32,
}

/// Consecutive days that were recorded in the same way, by the same version of the definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProvenanceRun {
    #[schema(value_type = String, format = Date)]
    pub from: Date,
    #[schema(value_type = String, format = Date)]
    pub to: Date,
    pub days: usize,
    #[schema(schema_with = provenance)]
    pub provenance: &'static str,
    pub definition_version: i32,
}

/// Consecutive days without a record, for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SeriesGap {
    #[schema(value_type = String, format = Date)]
    pub from: Date,
    #[schema(value_type = String, format = Date)]
    pub to: Date,
    pub days: usize,
    #[schema(schema_with = cause)]
    pub cause: &'static str,
    /// The cause in words.
    pub explanation: String,
    /// The time from which the first of the days can be recorded; null if it has settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ready_at: Option<Timestamp>,
    /// What fills the gap; null if nothing can.
    pub fill: Option<Fill>,
}

/// The command and the request that record the days of a gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fill {
    /// The command of the command line.
    pub command: String,
    /// The days to backfill, and the metric.
    #[schema(value_type = String, format = Date)]
    pub from: Date,
    #[schema(value_type = String, format = Date)]
    pub to: Date,
    pub metric_category: String,
}

pub(super) fn words(words: impl IntoIterator<Item = &'static str>) -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).build()
}

pub(super) fn metric_type() -> Object {
    words(MetricType::iter().map(MetricType::name))
}

fn provenance() -> Object {
    words(Provenance::iter().map(Provenance::name))
}

pub(super) fn cause() -> Object {
    words(CAUSES)
}
