//! How the answer of one statement about many days is packed, and taken apart: a text a metric instead of a row a record,
//! because most of what a row costs is the row.

use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan, civil::Date};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{LoggedRun, RecordedDay, Run, RunKind, RunStatus, SeriesRows, row::undecodable};
use crate::metric::Provenance;

/// Unpacks `days`, a list of `offset value version provenance` with commas between, the offset in days from `first`, where
/// a `value` alone is the day after the one before it, of the same version and provenance; and `metadata`, a list of as
/// many JSON objects with commas between.
fn unpack(first: Date, days: &str, metadata: Option<&str>) -> Result<Vec<RecordedDay>, sqlx::Error> {
    let mut unpacked = Vec::with_capacity(days.bytes().filter(|byte| *byte == b',').count() + 1);
    let mut dates = Dates { first, before: None };
    let mut rest = days;
    while !rest.is_empty() {
        let (day, later) = unpack_day(&mut dates, unpacked.last(), rest)?;
        unpacked.push(day);
        rest = later;
    }
    if let Some(metadata) = metadata {
        let objects: Vec<Map<String, Value>> =
            serde_json::from_str(&format!("[{metadata}]")).map_err(|error| undecodable("metadata", error))?;
        for (day, object) in unpacked.iter_mut().zip(objects) {
            day.metadata = Some(Box::new(object));
        }
    }
    // They come in the order of the primary key, unless the database found another way to be better.
    if !unpacked.is_sorted_by_key(|day| day.date) {
        unpacked.sort_by_key(|day| day.date);
    }
    Ok(unpacked)
}

/// What stands before the first `end`, and what after. For pieces as short as these a search that is made for long texts
/// takes longer.
fn cut(text: &str, end: u8) -> (&str, &str) {
    let before = text.bytes().position(|byte| byte == end).unwrap_or(text.len());
    (text.get(..before).unwrap_or_default(), text.get(before + 1..).unwrap_or_default())
}

/// The first day of `days`, and the rest.
fn unpack_day<'a>(
    dates: &mut Dates,
    before: Option<&RecordedDay>,
    days: &'a str,
) -> Result<(RecordedDay, &'a str), sqlx::Error> {
    let end = days.bytes().position(|byte| byte == b' ' || byte == b',').unwrap_or(days.len());
    let (offset, rest) = (days.get(..end).unwrap_or_default(), days.get(end + 1..).unwrap_or_default());
    if days.as_bytes().get(end) != Some(&b' ') {
        return Ok((day_after(before, offset)?, rest));
    }
    let (value, rest) = cut(rest, b' ');
    let (version, rest) = cut(rest, b' ');
    let (provenance, rest) = cut(rest, b',');
    let offset = offset.parse().map_err(|error| undecodable("metric_date", error))?;
    let day = RecordedDay {
        date: dates.at(offset)?,
        value: value.parse().map_err(|error| undecodable("value", error))?,
        provenance: Provenance::from_name(provenance)
            .ok_or_else(|| undecodable("provenance", format!("`{provenance}` is none of the known words")))?,
        definition_version: version.parse().map_err(|error| undecodable("definition_version", error))?,
        metadata: None,
    };
    Ok((day, rest))
}

fn day_after(before: Option<&RecordedDay>, value: &str) -> Result<RecordedDay, sqlx::Error> {
    let before = before.ok_or_else(|| undecodable("value", format!("`{value}` follows on no other")))?;
    Ok(RecordedDay {
        date: before.date.tomorrow().map_err(|error| undecodable("metric_date", error))?,
        value: value.parse().map_err(|error| undecodable("value", error))?,
        provenance: before.provenance,
        definition_version: before.definition_version,
        metadata: None,
    })
}

/// Dates by how many days they are after the first, most of them the day after the one before.
struct Dates {
    first: Date,
    before: Option<(i32, Date)>,
}

impl Dates {
    fn at(&mut self, offset: i32) -> Result<Date, sqlx::Error> {
        let date = match self.before {
            Some((before, date)) if before.checked_add(1) == Some(offset) => date.tomorrow(),
            _ => self.first.checked_add(offset.days()),
        };
        let date = date.map_err(|error| undecodable("metric_date", error))?;
        self.before = Some((offset, date));
        Ok(date)
    }
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
    /// Where the database can tell.
    #[serde(default)]
    is_alive: bool,
}

pub(super) fn unpack_run(json: &str) -> Result<LoggedRun, sqlx::Error> {
    let run: PackedRun = serde_json::from_str(json).map_err(|error| undecodable("run", error))?;
    let unknown = |what, name: &str| undecodable(what, format!("`{name}` is none of the known words"));
    let is_alive = run.is_alive;
    let run = Run {
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
    };
    Ok(LoggedRun { run, is_alive })
}

/// Puts rows of (place among the metrics asked or none, packed days or a packed run, packed metadata) together.
#[derive(Default)]
pub(super) struct Unpacked {
    series: BTreeMap<i64, Vec<RecordedDay>>,
    runs: Vec<LoggedRun>,
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
        self.runs.sort_by_key(|logged| (std::cmp::Reverse(logged.run.started_at), logged.run.id));
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
        assert_eq!(unpack(date(2025, 1, 1), "", None).unwrap(), []);
        let alone = unpack(date(2024, 2, 1), "27 5 2 observed,-0.5,6 6 1 corrected,7", None).unwrap();
        let full = "27 5 2 observed,28 -0.5 2 observed,6 6 1 corrected,7 7 1 corrected";
        assert_eq!(alone, unpack(date(2024, 2, 1), full, None).unwrap());
        for wrong in
            ["0", "0 1", "0 1 1", "x 1 1 observed", "0 x 1 observed", "0 1 1 invented", "0 1 1 observed more"]
        {
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
