//! Questions about many days of many metrics, answered in one statement, and how the answer is packed: a text a metric
//! instead of a row a record, because most of what a row costs is the row.

use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan, civil::Date};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Run, RunFilter, RunKind, RunStatus, Store, StoreError, row::undecodable};
use crate::metric::{Decimal, Exact, MetricKey, Provenance, Record};

/// Which records to read, and with them what the log says about the days: the runs that did not complete.
#[derive(Debug, Clone)]
pub struct SeriesQuestion {
    pub from: Date,
    pub to: Date,
    pub metrics: Vec<AskedMetric>,
}

impl SeriesQuestion {
    /// How many days of metrics it is about.
    pub fn size(&self) -> usize {
        let days = usize::try_from((self.to - self.from).get_days() + 1).unwrap_or(0);
        days.saturating_mul(self.metrics.len())
    }
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
    pub runs: Vec<LoggedRun>,
}

/// What the log says about a run, and whether it still is so.
#[derive(Debug, Clone)]
pub struct LoggedRun {
    pub run: Run,
    /// Whether the run is logged as running and somebody holds its lock.
    pub is_alive: bool,
}

impl LoggedRun {
    /// Logged as running, with nobody behind it.
    pub fn is_dead(&self) -> bool {
        self.run.status == RunStatus::Running && !self.is_alive
    }
}

/// What a series shows of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedDay {
    pub date: Date,
    /// With the digits as they are stored.
    pub value: Exact,
    pub provenance: Provenance,
    pub definition_version: i32,
    /// Only where it was asked for, which is seldom: most days are spared its room.
    pub metadata: Option<Box<Map<String, Value>>>,
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

/// Unpacks `days`, a list of `offset value version provenance` with commas between, the offset in days from `first`, where
/// a `value` alone is the day after the one before it, of the same version and provenance; and `metadata`, a list of as
/// many JSON objects with commas between.
pub(super) fn unpack(
    first: Date,
    days: &str,
    metadata: Option<&str>,
) -> Result<Vec<RecordedDay>, sqlx::Error> {
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

fn unpack_run(json: &str) -> Result<LoggedRun, sqlx::Error> {
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

/// A run that ended after the log was read and before its lock was looked at seems to be dead. So the log is asked
/// again about those that seem so, which are few and seldom: one that is no longer running there was alive.
pub(super) async fn confirm_deaths(store: &dyn Store, rows: &mut SeriesRows) -> Result<(), StoreError> {
    if !rows.runs.iter().any(LoggedRun::is_dead) {
        return Ok(());
    }
    let running = RunFilter { status: Some(RunStatus::Running), ..RunFilter::default() };
    let running = store.runs(&running).await?;
    for logged in rows.runs.iter_mut().filter(|logged| logged.is_dead()) {
        logged.is_alive = !running.iter().any(|run| run.id == logged.run.id);
    }
    Ok(())
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
    use std::time::Duration;

    use jiff::civil::date;

    use super::*;
    use crate::{
        database::RetryPolicy,
        store::{Finish, NewRun, StoreOptions},
    };

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

    #[tokio::test]
    async fn a_run_that_ended_meanwhile_did_not_die() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("store.db").display()).parse().unwrap();
        let retry = RetryPolicy { retries: 0, initial_delay: Duration::ZERO };
        let options = StoreOptions {
            tenant: "default".to_owned(),
            schema: String::new(),
            retry,
            statement_timeout: None,
        };
        let store = crate::store::open(&url, options);
        store.migrate().await.unwrap();
        let (day, started_at) = (date(2025, 1, 1), "2025-01-02T00:15:00Z".parse().unwrap());
        for id in [1, 2].map(Uuid::from_u128) {
            let (kind, host) = (RunKind::Collect, "here".to_owned());
            let run = NewRun { id, kind, from: day, to: day, started_at, host, process_id: 1 };
            store.start_run(&run).await.unwrap();
        }
        let question = SeriesQuestion { from: day, to: day, metrics: Vec::new() };
        let mut rows = store.series(&question).await.unwrap();
        assert!(rows.runs.iter().all(LoggedRun::is_dead));
        let finish = Finish {
            id: Uuid::from_u128(2),
            status: RunStatus::Completed,
            completed_at: started_at,
            error_message: None,
            error_details: None,
        };
        store.commit(&[], Some(&finish)).await.unwrap();
        confirm_deaths(store.as_ref(), &mut rows).await.unwrap();
        let dead: Vec<_> = rows.runs.iter().filter(|logged| logged.is_dead()).collect();
        assert_eq!((dead.len(), dead[0].run.id), (1, Uuid::from_u128(1)));
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
