//! Records, each read from a row of either database.

use jiff::civil::Date;

use super::{
    Latest, RecordCount, RecordedDay, SeriesDays, SeriesQuestion, ValueCorrection,
    row::{Columns, UnreadableRows},
};
use crate::{
    judgement::{Baseline, Judgement},
    metric::{Decimal, MetricKey, Provenance, Record},
};

pub(super) fn metric_key(row: &impl Columns) -> Result<MetricKey, sqlx::Error> {
    Ok(MetricKey { metric_type: row.variant("metric_type")?, category: row.get("metric_category")? })
}

pub(super) fn key_and_date(row: &impl Columns) -> Result<(Date, MetricKey), sqlx::Error> {
    Ok((row.date("metric_date")?, metric_key(row)?))
}

pub(super) fn record(row: &impl Columns) -> Result<Record, sqlx::Error> {
    Ok(Record {
        metric_date: row.date("metric_date")?,
        key: metric_key(row)?,
        value: row.parsed("value")?,
        metadata: row.object("metadata")?,
        provenance: row.variant("provenance")?,
        definition_version: row.get("definition_version")?,
        collection_id: row.uuid("collection_id")?,
        collection_timestamp: row.instant("collection_timestamp")?,
    })
}

/// The rows of `select_series.sql` by metric. A row that cannot be read leaves its date behind, so that its day is not taken
/// for one without a record.
pub(super) fn series<R: Columns>(
    location: &str,
    table: &'static str,
    question: &SeriesQuestion,
    rows: &[R],
) -> Vec<SeriesDays> {
    let mut series = vec![SeriesDays::default(); question.metrics.len()];
    let mut left_out = UnreadableRows::default();
    for row in rows {
        let (place, date) = match place_and_date(row) {
            Ok(found) => found,
            Err(error) => {
                left_out.add(|| error.to_string());
                continue;
            }
        };
        let Some((of_metric, metric)) = series.get_mut(place).zip(question.metrics.get(place)) else {
            continue;
        };
        match add_row(of_metric, row, date) {
            Ok(()) => {}
            Err(error) => {
                left_out.add(|| {
                    format!("{} `{}` of {date}: {error}", metric.key.metric_type, metric.key.category)
                });
                of_metric.unreadable.push(date);
            }
        }
    }
    left_out.log(location, table);
    series
}

/// The index of the requested metric, and the day.
fn place_and_date(row: &impl Columns) -> Result<(usize, Date), sqlx::Error> {
    Ok((row.count("place")?, row.date("metric_date")?))
}

/// Adds a row of a record, or changes the day of the row before it by its revision in force.
fn add_row(series: &mut SeriesDays, row: &impl Columns, date: Date) -> Result<(), sqlx::Error> {
    let Some(revision) = row.get("revision")? else {
        series.recorded.push(recorded_day(row, date)?);
        return Ok(());
    };
    // A day whose record cannot be read has none here.
    let Some(mut day) = series.recorded.pop_if(|day| day.date == date) else { return Ok(()) };
    if row.text("provenance")? == WITHDRAWN {
        series.withdrawn.push(date);
        return Ok(());
    }
    let recorded = std::mem::replace(&mut day.value, row.parsed("value")?);
    day.correction = Some(Box::new(ValueCorrection { revision, recorded }));
    day.provenance = row.variant("provenance")?;
    day.metadata = row.optional_object("metadata")?.map(Box::new);
    if let Some(version) = row.get("definition_version")? {
        day.definition_version = version;
    }
    series.recorded.push(day);
    Ok(())
}

/// What a row of `select_series.sql` has in the place of a provenance for a value that was withdrawn.
const WITHDRAWN: &str = "withdrawn";

fn recorded_day(row: &impl Columns, date: Date) -> Result<RecordedDay, sqlx::Error> {
    Ok(RecordedDay {
        date,
        value: row.parsed("value")?,
        provenance: row.variant("provenance")?,
        definition_version: row.get("definition_version")?,
        metadata: row.optional_object("metadata")?.map(Box::new),
        judgement: judgement_json(row).map(Box::new),
        correction: None,
    })
}

/// The rows of `select_latest.sql` that can be read, and the metrics of those that cannot.
pub(super) fn latest<R: Columns>(
    location: &str,
    table: &'static str,
    rows: &[R],
) -> (Vec<Latest>, Vec<MetricKey>) {
    let (mut found, mut unreadable, mut left_out) = (Vec::new(), Vec::new(), UnreadableRows::default());
    for row in rows {
        match record(row).and_then(|record| Ok((record, correction(row)?))) {
            Ok((record, correction)) => found.push(Latest {
                record,
                day_before: earlier(row, "day_before"),
                week_before: earlier(row, "week_before"),
                month_before: earlier(row, "month_before"),
                judgement: judgement_json(row),
                correction,
            }),
            Err(error) => {
                left_out.add(|| error.to_string());
                unreadable.extend(metric_key(row));
            }
        }
    }
    left_out.log(location, table);
    (found, unreadable)
}

fn correction(row: &impl Columns) -> Result<Option<ValueCorrection>, sqlx::Error> {
    let Some(revision) = row.get("revision")? else { return Ok(None) };
    Ok(Some(ValueCorrection { revision, recorded: row.parsed("recorded_value")? }))
}

/// An earlier value that cannot be read is treated as missing.
fn earlier(row: &impl Columns, column: &'static str) -> Option<Decimal> {
    row.optional_parsed(column).unwrap_or_default()
}

/// A row of `count_records.sql`, without corrections.
pub(super) fn record_count(row: &impl Columns) -> Result<RecordCount, sqlx::Error> {
    Ok(RecordCount {
        key: metric_key(row)?,
        first: row.date("first")?,
        last: row.date("last")?,
        of_provenance: [
            (Provenance::Observed, row.count("observed")?),
            (Provenance::Reconstructed, row.count("reconstructed")?),
            (Provenance::Corrected, 0),
        ],
        until_day: row.count("until_day")?,
        of_day: row.count("of_day")?,
    })
}

/// The column `judgement`, a JSON object as text. It is derived, so one that cannot be read is treated as missing.
fn judgement_json(row: &impl Columns) -> Option<Judgement> {
    let json: JudgementJson = serde_json::from_str(row.optional_text("judgement").ok()??).ok()?;
    let baseline = json.baseline_from.zip(json.baseline_to);
    Some(Judgement {
        judge_version: json.judge_version,
        verdict: json.verdict.parse().ok()?,
        reason: json.reason.and_then(|reason| reason.parse().ok()),
        expected: json.expected_low.zip(json.expected_high),
        score: json.score,
        baseline: baseline.map(|(from, to)| Baseline { days: json.baseline_days, from, to }),
    })
}

/// The members of the objects that `select_series.sql` and `select_latest.sql` make.
#[derive(serde::Deserialize)]
struct JudgementJson {
    verdict: String,
    reason: Option<String>,
    expected_low: Option<Decimal>,
    expected_high: Option<Decimal>,
    score: Option<Decimal>,
    baseline_days: usize,
    baseline_from: Option<Date>,
    baseline_to: Option<Date>,
    judge_version: i32,
}
