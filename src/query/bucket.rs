//! Collects the days of a bucket and combines them into one point.

use jiff::civil::Date;

use super::{
    catalogue::CatalogueMetric,
    day_range::DayRange,
    error::QueryError,
    interval::Bucket,
    metadata::MetadataText,
    point::{Point, PointProvenance},
    rollup::{Accumulator, RollUp, never_reason},
};
use crate::store::RecordedDay;

/// A bucket in progress: its days in the range, and their roll-up so far.
#[derive(Debug)]
pub(super) struct BucketFold {
    whole: Bucket,
    pub clipped: Bucket,
    days: usize,
    provenance: Option<PointProvenance>,
    /// The version of all days so far; `None` once they differ.
    version: Option<i32>,
    /// How the days so far roll up, and the version that says so.
    roll_up: Option<(RollUp, i32, Accumulator)>,
    refused: Option<String>,
}

impl BucketFold {
    /// Begins the bucket `whole`, of which the query covers `from..=to`.
    pub fn new(whole: Bucket, from: Date, to: Date) -> Self {
        let clipped = whole.clipped(from, to);
        Self { whole, clipped, days: 0, provenance: None, version: None, roll_up: None, refused: None }
    }

    /// # Errors
    /// [`QueryError::UnknownVersion`] for a day by a version that the catalogue lacks, unless it has all versions.
    pub fn add(&mut self, metric: &CatalogueMetric, day: &RecordedDay) -> Result<(), QueryError> {
        let version = day.definition_version;
        let roll_up = metric.roll_up(version);
        if roll_up.is_none() && !metric.has_all_versions() {
            return Err(QueryError::UnknownVersion { key: metric.key.clone(), date: day.date, version });
        }
        self.version =
            if self.days == 0 { Some(version) } else { self.version.filter(|one| *one == version) };
        self.provenance = Some(match self.provenance {
            None => day.provenance.into(),
            Some(before) => before.and(day.provenance),
        });
        self.days += 1;
        if self.refused.is_none() {
            self.refused = match roll_up {
                Some(roll_up) => self.accumulate(roll_up, day).err(),
                None => Some(format!(
                    "its record of {} names version {version} of its definition, which does not exist",
                    day.date
                )),
            };
        }
        Ok(())
    }

    fn accumulate(&mut self, roll_up: RollUp, day: &RecordedDay) -> Result<(), String> {
        let version = day.definition_version;
        let (first, before, sum) =
            self.roll_up.get_or_insert_with(|| (roll_up, version, Accumulator::new(roll_up)));
        if *first != roll_up {
            return Err(format!(
                "its definition changed what the values are: version {before} makes {}, version {version} {}",
                first.noun(),
                roll_up.noun()
            ));
        }
        *before = version;
        sum.add(day)
    }

    /// The point; `None` where no day of the bucket exists.
    pub fn finish(self, metric: &CatalogueMetric, range: &DayRange, metadata: bool) -> Option<Point> {
        let Self { whole, clipped, days, provenance, version, roll_up, refused } = self;
        let existing = range.days_in(clipped).len();
        if existing == 0 {
            return None;
        }
        let rolled = roll_up.filter(|_| refused.is_none()).and_then(|(.., sum)| sum.finish());
        let never = || never_reason(metric.definition()).to_owned();
        let refused = refused.or_else(|| (days > 0 && rolled.is_none()).then(never));
        let is_rolled = rolled.is_some();
        let rolled = rolled.unwrap_or_default();
        Some(Point {
            is_day: false,
            days_recorded: days,
            complete: whole == clipped && days == existing,
            provenance,
            definition_version: version,
            value_date: rolled.value_date,
            lower_bound: rolled.lower_bound,
            refused,
            no_data: is_rolled && rolled.value.is_none(),
            metadata: rolled.metadata.filter(|_| metadata).map(MetadataText::of),
            value: rolled.value,
            ..Point::empty(clipped, range.days_due(clipped))
        })
    }
}
