//! The only file of this layer that reads recorded values. Every other file calls it, so that one place decides what
//! counts as a value, and how many values are in memory at once. Reads are cut into chunks of about [`CHUNK_BYTES`],
//! because one record of a breakdown is as large as a thousand counts.

use std::ops::Range;

use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    catalogue::{Catalogue, CatalogueMetric},
    error::QueryError,
    interval::Interval,
    judgement::JUDGEMENT_BYTES,
};
use crate::{
    collect::{Context, History},
    metric::{Decimal, Definition, Measure, MetricKey, QueryShape},
    store::{
        AskedMetric, Latest, LoggedRun, RecordedDay, Run, RunFilter, RunStatus, SeriesDays, SeriesQuestion,
        ValuesAsked,
    },
};

/// The approximate limit of the records that one statement reads, in bytes.
pub(super) const CHUNK_BYTES: usize = 1024 * 1024;
/// The approximate memory of a record without its metadata, in bytes.
const PLAIN_BYTES: usize = 64;
/// The approximate memory of the metadata of a record without labels, in bytes: a sample size, a sum and a deviation.
const PARTS_BYTES: usize = 256;
/// How many runs are read to explain the gaps that there were at an earlier instant: the last that had started by then.
const RUNS_AS_OF: i64 = 2_000;
/// The memory of a label and its value, in bytes: a label has at most 200 characters.
const LABEL_BYTES: usize = 256;

/// A series that is to be read: a metric in one interval.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub metric: &'a CatalogueMetric,
    pub interval: Interval,
    /// Whether the records' metadata are needed, to be shown or to be rolled up.
    pub metadata: bool,
    pub judgement: bool,
}

impl<'a> Wanted<'a> {
    pub fn new(metric: &'a CatalogueMetric, interval: Interval, metadata: bool, judgement: bool) -> Self {
        let metadata = metadata || (interval != Interval::Day && metric.needs_metadata());
        Self { metric, interval, metadata, judgement: judgement && interval == Interval::Day }
    }

    /// The approximate memory of a record of the metric, in bytes.
    pub fn record_bytes(&self) -> usize {
        let judgement = if self.judgement { JUDGEMENT_BYTES } else { 0 };
        judgement
            + match self.metadata {
                true => PLAIN_BYTES + PARTS_BYTES + LABEL_BYTES * labels(self.metric.definition()),
                false => PLAIN_BYTES,
            }
    }
}

/// The largest number of labels that a record of the metric has; 0 unless it is a breakdown.
fn labels(definition: &Definition) -> usize {
    match &definition.measure {
        Measure::Breakdown(breakdown) => breakdown.top,
        Measure::Sql { shape: QueryShape::Labels { top, .. }, .. } => *top,
        _ => 0,
    }
}

/// How many of `wanted`, from the first on, one statement reads for all of `days` days, and whether it can: where it cannot
/// read a single one at once, that is 1.
pub(super) fn batch(wanted: &[Wanted<'_>], days: usize) -> (usize, bool) {
    let (mut bytes, mut count) = (0, 0);
    let mut before = None;
    for one in wanted {
        if before != Some(&one.metric.key) {
            bytes += one.record_bytes() * days;
            before = Some(&one.metric.key);
        }
        if bytes > CHUNK_BYTES {
            break;
        }
        count += 1;
    }
    (count.max(1), count > 0)
}

/// The days of `from..=to` in ranges of which each is read by one statement.
pub(super) fn chunks(
    wanted: &Wanted<'_>,
    from: Date,
    to: Date,
) -> impl Iterator<Item = (Date, Date)> + use<> {
    let days = i64::try_from((CHUNK_BYTES / wanted.record_bytes()).max(1)).unwrap_or(1);
    let chunk = move |first: Date| (first, first.saturating_add((days - 1).days()).min(to));
    std::iter::successors(Some(chunk(from)), move |(_, last)| {
        last.tomorrow().ok().filter(|next| *next <= to).map(chunk)
    })
}

/// The values of a batch, one list for each metric in it, and where each of `batch` finds its own.
pub(super) struct Values {
    series: Vec<SeriesDays>,
    places: Vec<usize>,
    /// The runs that did not complete the days that were read.
    pub runs: Vec<LoggedRun>,
}

impl Values {
    pub fn of(&self, place_in_batch: usize) -> Option<&SeriesDays> {
        self.places.get(place_in_batch).and_then(|place| self.series.get(*place))
    }

    /// The approximate work of iterating over all of them, in records.
    pub fn size(&self) -> usize {
        let weight = |day: &RecordedDay| 1 + day.metadata.as_deref().map_or(0, labels_in) / 8;
        self.series.iter().flat_map(|series| &series.recorded).map(weight).sum()
    }
}

fn labels_in(metadata: &Map<String, Value>) -> usize {
    metadata.get("breakdown").and_then(Value::as_object).map_or(0, Map::len)
}

/// Reads the values of `batch` in `from..=to`, by one statement.
///
/// # Errors
/// When the store fails.
pub(super) async fn read(
    context: &Context,
    batch: &[Wanted<'_>],
    (from, to): (Date, Date),
    asked: ValuesAsked,
) -> Result<Values, QueryError> {
    let (mut metrics, mut places) = (Vec::<AskedMetric>::new(), Vec::new());
    for wanted in batch {
        match metrics.last_mut() {
            Some(last) if last.key == wanted.metric.key => {
                last.metadata |= wanted.metadata;
                last.judgement |= wanted.judgement;
            }
            _ => {
                metrics.push(AskedMetric {
                    key: wanted.metric.key.clone(),
                    metadata: wanted.metadata,
                    judgement: wanted.judgement,
                });
            }
        }
        places.push(metrics.len() - 1);
    }
    let question = SeriesQuestion { from, to, metrics, values: asked };
    let Some(instant) = asked.as_of else {
        let rows = context.tenant.store.series(&question).await?;
        return Ok(Values { series: rows.series, places, runs: rows.runs });
    };
    let runs = runs_as_of(context, from, to, instant).await?;
    Ok(Values { series: context.tenant.store.series_days(&question).await?, places, runs })
}

/// The entries of the collection log for the days of `from..=to` that lack a record.
///
/// # Errors
/// When the store fails.
pub(super) async fn history(
    context: &Context,
    from: Date,
    to: Date,
    asked: ValuesAsked,
) -> Result<History, QueryError> {
    Ok(History::of(match asked.as_of {
        None => context.tenant.store.incomplete_runs(from, to).await?,
        Some(instant) => runs_as_of(context, from, to, instant).await?,
    }))
}

/// The runs that had not completed the days of `from..=to` at `instant`, newest first; of the newest [`RUNS_AS_OF`] that had started.
async fn runs_as_of(
    context: &Context,
    from: Date,
    to: Date,
    instant: Timestamp,
) -> Result<Vec<LoggedRun>, QueryError> {
    // Instants have microseconds. No id follows the largest, so that the runs of the given instant itself are left out.
    let not_started = instant.saturating_add(SignedDuration::from_micros(1)).unwrap_or(instant);
    let filter = RunFilter {
        days: Some((from, to)),
        limit: Some(RUNS_AS_OF),
        after: Some((not_started, Uuid::max())),
        ..RunFilter::default()
    };
    let known = context.tenant.store.runs(&filter).await?;
    let then = |run: Run| {
        // A run that had not ended was alive: it ended later.
        let is_running = run.completed_at.is_none_or(|ended| ended > instant);
        let status = if is_running { RunStatus::Running } else { run.status };
        let is_incomplete = status != RunStatus::Completed;
        is_incomplete.then_some(LoggedRun { run: Run { status, ..run }, is_alive: is_running })
    };
    Ok(known.into_iter().filter_map(then).collect())
}

/// The newest record of each of `metrics` that has one, by parts that `each` is called with one after the other.
///
/// # Errors
/// When the store fails.
pub(super) async fn latest(
    context: &Context,
    catalogue: &Catalogue,
    metrics: &[MetricKey],
    asked: ValuesAsked,
    mut each: impl FnMut(Latest) + Send,
) -> Result<(), QueryError> {
    let wanted: Vec<_> = metrics
        .iter()
        .filter_map(|key| catalogue.get(key))
        .map(|metric| Wanted::new(metric, Interval::Day, true, true))
        .collect();
    let mut next = 0;
    while next < wanted.len() {
        let Range { start, end } = next..next + batch(&wanted[next..], 1).0;
        let keys: Vec<_> = wanted[start..end].iter().map(|wanted| wanted.metric.key.clone()).collect();
        context.tenant.store.latest(&keys, asked).await?.into_iter().for_each(&mut each);
        next = end;
    }
    Ok(())
}

/// The first and the last recorded day.
///
/// # Errors
/// When the store fails.
pub(super) async fn span(context: &Context) -> Result<Option<(Date, Date)>, QueryError> {
    Ok(context.tenant.store.recorded_span().await?)
}

/// A number in the metadata of a record.
pub(super) fn number(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => number.as_str().parse().ok(),
        _ => None,
    }
}
