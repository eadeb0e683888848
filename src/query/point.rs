//! A point of a series, as the API documents it.

use jiff::civil::Date;
use serde::{Serialize, Serializer, ser::SerializeMap};
use utoipa::ToSchema;

use super::{
    interval::Bucket,
    judgement::{JUDGEMENT_BYTES, ValueJudgement},
    metadata::MetadataText,
};
use crate::metric::{Decimal, Fraction, Provenance};

/// The approximate size of a point in an answer, in bytes and without metadata: of a day, and of a longer interval.
pub(super) const DAY_POINT_BYTES: usize = 64;
pub(super) const POINT_BYTES: usize = 192;
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
    /// Of a derived metric whose value is rounded: the value that others are computed from.
    #[schema(ignore)]
    pub exact: Option<Box<Fraction>>,
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
    /// Only of a corrected day: the value of the record, and the number of the revision in force.
    #[schema(required = false)]
    pub recorded_value: Option<Decimal>,
    #[schema(required = false)]
    pub revision: Option<i32>,
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
    /// Of the interval `day`, and only if the request has `judgement=true` and the value is judged.
    #[schema(required = false)]
    pub judgement: Option<Box<ValueJudgement>>,
}

impl Serialize for Point {
    /// A year of days is most of an answer: fields that the day's own date implies are left out, and so are fields without a value.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("from", &self.from)?;
        if !self.is_day {
            map.serialize_entry("to", &self.to)?;
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
        if let Some(recorded) = &self.recorded_value {
            map.serialize_entry("recorded_value", recorded)?;
        }
        if let Some(revision) = &self.revision {
            map.serialize_entry("revision", revision)?;
        }
        if let Some(date) = &self.value_date {
            map.serialize_entry("value_date", date)?;
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
        if let Some(judgement) = &self.judgement {
            map.serialize_entry("judgement", judgement)?;
        }
        map.end()
    }
}

impl Point {
    /// About how many bytes it takes in an answer.
    pub(super) fn bytes(&self) -> usize {
        let metadata = self.metadata.as_ref().map_or(0, |metadata| metadata.as_str().len());
        let own = if self.is_day { DAY_POINT_BYTES } else { POINT_BYTES };
        let judgement = self.judgement.as_ref().map_or(0, |_| JUDGEMENT_BYTES);
        own + metadata + judgement + self.refused.as_ref().map_or(0, String::len)
    }

    /// The value before it was rounded.
    pub(super) fn exact_value(&self) -> Option<Fraction> {
        let value = self.value.as_ref()?;
        Some(self.exact.as_deref().cloned().unwrap_or_else(|| Fraction::whole(value.clone())))
    }

    /// A day that is not recorded; `days_due` is 1 if it is over.
    pub(super) fn empty(days: Bucket, days_due: usize) -> Self {
        Self {
            is_day: true,
            from: days.from,
            to: days.to,
            value: None,
            exact: None,
            no_data: false,
            days_recorded: 0,
            days_due,
            complete: false,
            provenance: None,
            definition_version: None,
            recorded_value: None,
            revision: None,
            value_date: None,
            lower_bound: false,
            refused: None,
            metadata: None,
            judgement: None,
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
    /// Put right by a revision; see docs/corrections.md.
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
