//! The shape of an answer about series. Field names and types are the documented ones of the API.

use jiff::{Timestamp, civil::Date};
use serde::{Serialize, Serializer, ser::SerializeMap};
use utoipa::{
    ToSchema,
    openapi::{Object, ObjectBuilder, Type},
};

use super::{
    interval::{Bucket, Interval},
    metadata::MetadataText,
    rollup::RollUp,
};
use crate::metric::{Decimal, MetricType, Provenance};

/// Every cause that a gap can have.
pub(super) const CAUSES: [&str; 9] = [
    "never_collected",
    "failed",
    "timed_out",
    RUNNING,
    "defined_later",
    "not_reconstructible",
    "before_first_row",
    "unreadable_record",
    NOT_YET_DUE,
];
const RUNNING: &str = "running";
pub(super) const NOT_YET_DUE: &str = "not_yet_due";

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

/// A day, or the days of a week, month, quarter or year that are in the range.
#[derive(Debug, Clone, PartialEq, ToSchema)]
pub struct Point {
    /// Whether this is a point of the interval `day`, which only has `from` and `value`; its provenance is in the
    /// series' `recorded`.
    #[schema(ignore)]
    pub is_day: bool,
    #[schema(value_type = String, format = Date)]
    pub from: Date,
    /// Not in the interval `day`.
    #[schema(value_type = String, format = Date, required = false)]
    pub to: Date,
    /// Null if no day is recorded, or if the records are of no rows (`no_data`). Null does not mean zero.
    pub value: Option<Decimal>,
    /// Present and true if the days are recorded, and the value is an average of no rows or a percentage of a total of
    /// 0.
    #[schema(required = false)]
    pub no_data: bool,
    /// How many of the days are recorded. Not in the interval `day`.
    #[schema(required = false)]
    pub days_recorded: usize,
    /// How many of the days are over and exist in the time zone. Not in the interval `day`.
    #[schema(required = false)]
    pub days_due: usize,
    /// Whether every day of the whole interval is recorded and in the range. Not in the interval `day`.
    #[schema(required = false)]
    pub complete: bool,
    /// Not in the interval `day`.
    #[schema(required = false)]
    pub provenance: Option<PointProvenance>,
    /// The version of the definition that made the value, where it was one. Not in the interval `day`.
    #[schema(required = false)]
    pub definition_version: Option<i32>,
    /// In longer intervals, the day that the value of a stock is of.
    #[schema(value_type = Option<String>, format = Date)]
    pub value_date: Option<Date>,
    /// Present and true if labels that were not recorded by name could increase the value.
    #[schema(required = false)]
    pub lower_bound: bool,
    /// The reason why the recorded days have no combined value.
    pub refused: Option<String>,
    /// The sample size, the numerator and denominator, or the labels; only if the request has `metadata=true`.
    #[schema(value_type = Option<HashMap<String, Value>>)]
    pub metadata: Option<MetadataText>,
}

impl Serialize for Point {
    /// A year of days is most of an answer: fields that the day's own date implies are left out, and so are fields without a value.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("from", &Day(self.from))?;
        if !self.is_day {
            map.serialize_entry("to", &Day(self.to))?;
        }
        map.serialize_entry("value", &self.value)?;
        if self.no_data {
            map.serialize_entry("no_data", &true)?;
        }
        if !self.is_day {
            map.serialize_entry("days_recorded", &self.days_recorded)?;
            map.serialize_entry("days_due", &self.days_due)?;
            map.serialize_entry("complete", &self.complete)?;
            map.serialize_entry("provenance", &self.provenance)?;
            map.serialize_entry("definition_version", &self.definition_version)?;
        }
        if let Some(date) = &self.value_date {
            map.serialize_entry("value_date", &Day(*date))?;
        }
        if self.lower_bound {
            map.serialize_entry("lower_bound", &true)?;
        }
        if let Some(reason) = &self.refused {
            map.serialize_entry("refused", reason)?;
        }
        if let Some(metadata) = &self.metadata {
            map.serialize_entry("metadata", metadata)?;
        }
        map.end()
    }
}

/// A date in its only form, written without the overhead of a general formatter, because an answer has thousands.
struct Day(Date);

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(date) = self;
        let (Ok(year), month, day) = (u16::try_from(date.year()), date.month(), date.day()) else {
            return date.serialize(serializer);
        };
        let digit = |number: u16| b'0' + (number % 10) as u8;
        let (month, day) = (month.unsigned_abs().into(), day.unsigned_abs().into());
        let text = [
            digit(year / 1000),
            digit(year / 100),
            digit(year / 10),
            digit(year),
            b'-',
            digit(month / 10),
            digit(month),
            b'-',
            digit(day / 10),
            digit(day),
        ];
        serializer.serialize_str(str::from_utf8(&text).unwrap_or_default())
    }
}

/// The approximate size of a point in an answer, in bytes and without metadata: of a day, and of a longer interval.
pub(super) const DAY_POINT_BYTES: usize = 64;
pub(super) const POINT_BYTES: usize = 192;
/// How many bytes the metadata of a response without pages take at most, the points of a page of series without metadata, and the
/// runs of a page of the log, about.
pub(super) const RESPONSE_BYTES: usize = 8 * 1024 * 1024;

impl Point {
    /// About how many bytes it takes in an answer.
    pub(super) fn bytes(&self) -> usize {
        let metadata = self.metadata.as_ref().map_or(0, |metadata| metadata.as_str().len());
        let own = if self.is_day { DAY_POINT_BYTES } else { POINT_BYTES };
        own + metadata + self.refused.as_ref().map_or(0, String::len)
    }

    /// A day that is not recorded; `days_due` is 1 if it is over.
    pub(super) fn empty(days: Bucket, days_due: usize) -> Self {
        Self {
            is_day: true,
            from: days.from,
            to: days.to,
            value: None,
            no_data: false,
            days_recorded: 0,
            days_due,
            complete: false,
            provenance: None,
            definition_version: None,
            value_date: None,
            lower_bound: false,
            refused: None,
            metadata: None,
        }
    }
}

/// The provenance of the records of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PointProvenance {
    /// Recorded on time.
    Observed,
    /// Recorded after the day's collection was due, from the rows that still existed.
    Reconstructed,
    /// Restated by a person.
    Corrected,
    /// The records of the point have different provenances.
    Mixed,
}

impl PointProvenance {
    pub fn name(self) -> &'static str {
        match self {
            Self::Observed => Provenance::Observed.name(),
            Self::Reconstructed => Provenance::Reconstructed.name(),
            Self::Corrected => Provenance::Corrected.name(),
            Self::Mixed => "mixed",
        }
    }

    /// The provenance of a point after the record of one more day is added.
    pub(super) fn and(self, other: Provenance) -> Self {
        if self == other.into() { self } else { Self::Mixed }
    }
}

impl From<Provenance> for PointProvenance {
    fn from(provenance: Provenance) -> Self {
        match provenance {
            Provenance::Observed => Self::Observed,
            Provenance::Reconstructed => Self::Reconstructed,
            Provenance::Corrected => Self::Corrected,
        }
    }
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
    words(MetricType::ALL.map(MetricType::name))
}

fn provenance() -> Object {
    words(Provenance::ALL.map(Provenance::name))
}

pub(super) fn cause() -> Object {
    words(CAUSES)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_day_is_written_as_dates_are(days in -719_528..2_932_896_i32) {
            let date = jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap();
            prop_assert_eq!(serde_json::to_string(&Day(date)).unwrap(), format!("\"{date}\""));
        }
    }
}
