//! Questions about many days of many metrics, answered in one statement, and how the answer is packed: a text a metric
//! instead of a row a record, because most of what a row costs is the row.

use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan, civil::Date};
use serde::Deserialize;
use serde_json::{Map, Number, Value};
use uuid::Uuid;

use super::{Run, RunKind, RunStatus, row::undecodable};
use crate::metric::{Decimal, MetricKey, Provenance, Record};

/// Which records to read, and with them what the log says about the days: the runs that did not complete.
#[derive(Debug, Clone)]
pub struct SeriesQuestion {
    pub from: Date,
    pub to: Date,
    pub metrics: Vec<AskedMetric>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedMetric {
    pub key: MetricKey,
    /// Whether the records' metadata are wanted; they are most of what is sent.
    pub metadata: bool,
}

#[derive(Debug, Clone, Default)]
pub struct SeriesRows {
    /// One for each metric asked, in that order; by date.
    pub series: Vec<Vec<RecordedDay>>,
    /// The runs that are not `completed` and whose days overlap the range; newest first.
    pub runs: Vec<Run>,
}

/// What a series shows of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedDay {
    pub date: Date,
    /// With the digits as they are stored.
    pub value: Number,
    pub provenance: Provenance,
    pub definition_version: i32,
    /// Only where it was asked for.
    pub metadata: Option<Map<String, Value>>,
}

/// The newest record of a metric, and the values before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latest {
    pub record: Record,
    /// The values 1 day, 7 days and a calendar month before the record's date, where they are recorded. A month before
    /// 31 March is the last day of February.
    pub day_before: Option<Decimal>,
    pub week_before: Option<Decimal>,
    pub month_before: Option<Decimal>,
}

/// Unpacks `days`, a list of `offset value version provenance` with commas between, the offset in days from `first`;
/// and `metadata`, a list of as many JSON objects with commas between.
pub(super) fn unpack(
    first: Date,
    days: &str,
    metadata: Option<&str>,
) -> Result<Vec<RecordedDay>, sqlx::Error> {
    let mut unpacked =
        days.split(',').map(|day| unpack_day(first, day)).collect::<Result<Vec<_>, sqlx::Error>>()?;
    if let Some(metadata) = metadata {
        let objects: Vec<Map<String, Value>> =
            serde_json::from_str(&format!("[{metadata}]")).map_err(|error| undecodable("metadata", error))?;
        for (day, object) in unpacked.iter_mut().zip(objects) {
            day.metadata = Some(object);
        }
    }
    // They come in the order of the primary key, unless the database found another way to be better.
    if !unpacked.is_sorted_by_key(|day| day.date) {
        unpacked.sort_by_key(|day| day.date);
    }
    Ok(unpacked)
}

fn unpack_day(first: Date, day: &str) -> Result<RecordedDay, sqlx::Error> {
    let mut parts = day.split(' ');
    let (Some(offset), Some(value), Some(version), Some(provenance), None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(undecodable("days", format!("`{day}` has other parts than it should")));
    };
    let offset: i32 = offset.parse().map_err(|error| undecodable("metric_date", error))?;
    Ok(RecordedDay {
        date: first.checked_add(offset.days()).map_err(|error| undecodable("metric_date", error))?,
        value: number(value).map_err(|error| undecodable("value", error))?,
        provenance: Provenance::from_name(provenance)
            .ok_or_else(|| undecodable("provenance", format!("`{provenance}` is none of the known words")))?,
        definition_version: version.parse().map_err(|error| undecodable("definition_version", error))?,
        metadata: None,
    })
}

/// The text as it is where it is a JSON number, or else what it means: `007` is 7.
fn number(text: &str) -> Result<Number, crate::metric::DecimalError> {
    text.parse().or_else(|_| Ok(text.parse::<Decimal>()?.to_number()))
}

/// A log entry as a store packs it, as JSON.
#[derive(Deserialize)]
struct PackedRun {
    id: Uuid,
    kind: String,
    from: Date,
    to: Date,
    started_at: Timestamp,
    completed_at: Option<Timestamp>,
    status: String,
    metrics_collected: i64,
    error_message: Option<String>,
    error_details: Option<Map<String, Value>>,
    host: String,
    process_id: u32,
}

pub(super) fn unpack_run(json: &str) -> Result<Run, sqlx::Error> {
    let run: PackedRun = serde_json::from_str(json).map_err(|error| undecodable("run", error))?;
    let unknown = |what, name: &str| undecodable(what, format!("`{name}` is none of the known words"));
    Ok(Run {
        id: run.id,
        kind: RunKind::from_name(&run.kind).ok_or_else(|| unknown("kind", &run.kind))?,
        from: run.from,
        to: run.to,
        started_at: run.started_at,
        completed_at: run.completed_at,
        status: RunStatus::from_name(&run.status).ok_or_else(|| unknown("status", &run.status))?,
        metrics_collected: run.metrics_collected,
        error_message: run.error_message,
        error_details: run.error_details,
        host: run.host,
        process_id: run.process_id,
    })
}

/// Puts rows of (place among the metrics asked or none, packed days or a packed run, packed metadata) together.
#[derive(Default)]
pub(super) struct Unpacked {
    series: BTreeMap<i64, Vec<RecordedDay>>,
    runs: Vec<Run>,
}

impl Unpacked {
    pub fn add(
        &mut self,
        first: Date,
        (place, packed, metadata): (Option<i64>, Option<&str>, Option<&str>),
    ) -> Result<(), sqlx::Error> {
        match (place, packed) {
            (_, None) => {}
            (Some(place), Some(days)) => {
                self.series.insert(place, unpack(first, days, metadata)?);
            }
            (None, Some(run)) => self.runs.push(unpack_run(run)?),
        }
        Ok(())
    }

    /// `metrics` is how many were asked; places count from `first_place`.
    pub fn finish(mut self, metrics: usize, first_place: i64) -> SeriesRows {
        self.runs.sort_by_key(|run| (std::cmp::Reverse(run.started_at), run.id));
        let series =
            (first_place..).take(metrics).map(|place| self.series.remove(&place).unwrap_or_default());
        SeriesRows { series: series.collect(), runs: self.runs }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn what_is_packed_is_unpacked_with_every_digit() {
        let packed = "0 9007199254740993.10 2 observed,31 -0.5 1 reconstructed";
        let days = unpack(date(2024, 12, 31), packed, Some(r#"{"a": 1},{}"#)).unwrap();
        assert_eq!(days[0].value.to_string(), "9007199254740993.10");
        assert_eq!((days[0].definition_version, days[0].provenance), (2, Provenance::Observed));
        assert_eq!(days[0].metadata.as_ref().unwrap().len(), 1);
        assert_eq!((days[1].date, days[1].value.to_string()), (date(2025, 1, 31), "-0.5".to_owned()));
        assert_eq!(number("007").unwrap().to_string(), "7");
        for wrong in ["", "x 1 1 observed", "0 x 1 observed", "0 1 1 invented", "0 1 1 observed more"] {
            assert!(unpack(date(2025, 1, 1), wrong, None).is_err(), "{wrong}");
        }
    }

    #[test]
    fn days_are_in_order_with_their_own_metadata() {
        let days = unpack(date(2025, 1, 1), "1 5 1 observed,0 4 1 observed", Some(r#"{"n": 5},{"n": 4}"#));
        let shown: Vec<_> = days
            .unwrap()
            .into_iter()
            .map(|day| format!("{} {}", day.value, day.metadata.unwrap()["n"]))
            .collect();
        assert_eq!(shown, ["4 4", "5 5"]);
    }
}
