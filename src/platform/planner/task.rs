//! Gathers readings into tasks. A task is one statement, or two where soft deletions have to be read as well.

use std::collections::BTreeMap;

use super::{
    dialect::Dialect,
    distinct::DistinctGroup,
    execute::Executor,
    labels::LabelReading,
    named_source::named_source,
    quantiles::QuantileGroup,
    query::QueryReading,
    scalars::ScalarGroup,
    scan::{Scan, StatementBody, Stream},
    span::Span,
};
use crate::{
    database::{Fault, FaultClass},
    metric::{Calendar, DayBounds, Reading, Rows, Source, Tally, Window},
    platform::{
        contract::{PlannedStatement, Sources},
        schema::Schema,
    },
};

/// Readings (by index) that one task answers together.
pub struct ReadingTask<'a> {
    pub readings: Vec<usize>,
    pub sources: Vec<String>,
    pub work: TaskKind<'a>,
}

pub enum TaskKind<'a> {
    Scalars(ScalarGroup<'a>),
    Quantiles(QuantileGroup<'a>),
    Labels(LabelReading<'a>),
    Distinct(DistinctGroup<'a>),
    Query(QueryReading<'a>),
    /// A reading of a source that is not defined, or is unsound.
    Impossible(Fault),
}

/// All counts, sums, moments and extremes of a source make one task, and so do the quantiles of one column of the same rows, and the windows
/// over the same rows in which distinct actors are counted; every other reading is a task of its own.
pub fn plan<'a>(
    dialect: Dialect,
    sources: &'a Sources,
    readings: &'a [Reading],
    wanted: &[usize],
) -> Vec<ReadingTask<'a>> {
    let mut scalars: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut distinct: BTreeMap<(Vec<&Rows>, Option<&str>), Vec<usize>> = BTreeMap::new();
    let mut quantiles: BTreeMap<(&Rows, &str), Vec<usize>> = BTreeMap::new();
    let mut others = Vec::new();
    for &index in wanted {
        match &readings[index] {
            Reading::Count { rows, .. }
            | Reading::Moments { rows, .. }
            | Reading::Sum { rows, .. }
            | Reading::Extremes { rows, .. } => {
                scalars.entry(&rows.source).or_default().push(index);
            }
            Reading::Quantile { rows, column, .. } => {
                quantiles.entry((rows, column)).or_default().push(index);
            }
            Reading::Distinct { rows, column, .. } => {
                let mut rows: Vec<_> = rows.iter().collect();
                rows.sort_unstable();
                distinct.entry((rows, column.as_deref())).or_default().push(index);
            }
            reading => others.push(single(dialect, sources, index, reading)),
        }
    }
    let scalars = scalars.into_iter().map(|(name, indexes)| {
        let group: Vec<_> = indexes.iter().map(|&index| &readings[index]).collect();
        let work = match named_source(dialect, sources, name) {
            Ok(source) => TaskKind::Scalars(ScalarGroup::new(source, &group)),
            Err(fault) => TaskKind::Impossible(fault),
        };
        ReadingTask { readings: indexes, sources: vec![name.to_owned()], work }
    });
    let distinct = distinct
        .into_iter()
        .map(|((rows, column), indexes)| windows(sources, readings, rows, column, indexes));
    let quantiles = quantiles.into_iter().map(|((rows, column), indexes)| {
        let wanted = indexes.iter().filter_map(|&index| match readings[index] {
            Reading::Quantile { quantile, window_days, .. } => Some((quantile, window_days)),
            _ => None,
        });
        let work = match named_source(dialect, sources, &rows.source) {
            Ok(source) => {
                TaskKind::Quantiles(QuantileGroup { source, rows, column, wanted: wanted.collect() })
            }
            Err(fault) => TaskKind::Impossible(fault),
        };
        ReadingTask { readings: indexes, sources: vec![rows.source.clone()], work }
    });
    scalars.chain(quantiles).chain(distinct).chain(others).collect()
}

/// The task of several windows over the same rows, the shortest first.
fn windows<'a>(
    sources: &'a Sources,
    readings: &[Reading],
    rows: Vec<&'a Rows>,
    column: Option<&'a str>,
    mut indexes: Vec<usize>,
) -> ReadingTask<'a> {
    let window = |index: &usize| match readings[*index] {
        Reading::Distinct { window, .. } => window,
        _ => Window::Days(1),
    };
    indexes.sort_by_key(|index| window(index).longest());
    let windows = indexes.iter().map(window).collect();
    let names = rows.iter().map(|rows| rows.source.clone()).collect();
    ReadingTask {
        readings: indexes,
        sources: names,
        work: TaskKind::Distinct(DistinctGroup { rows, column, sources, windows }),
    }
}

fn single<'a>(dialect: Dialect, sources: &'a Sources, index: usize, reading: &'a Reading) -> ReadingTask<'a> {
    let (names, work) = match reading {
        Reading::Labels { rows, column, phase, top, fold } => {
            let work = match named_source(dialect, sources, &rows.source) {
                Ok(source) => {
                    TaskKind::Labels(LabelReading { source, rows, column, phase: *phase, top: *top, fold })
                }
                Err(fault) => TaskKind::Impossible(fault),
            };
            (vec![rows.source.clone()], work)
        }
        Reading::Query { sql, shape } => (Vec::new(), TaskKind::Query(QueryReading { sql, shape: *shape })),
        // These share a task with others.
        Reading::Count { .. }
        | Reading::Moments { .. }
        | Reading::Sum { .. }
        | Reading::Extremes { .. }
        | Reading::Quantile { .. }
        | Reading::Distinct { .. } => {
            let fault =
                Fault::new(FaultClass::Other, "this reading shares a task; this is a defect in Daymark");
            (Vec::new(), TaskKind::Impossible(fault))
        }
    };
    ReadingTask { readings: vec![index], sources: names, work }
}

impl ReadingTask<'_> {
    /// Whether its first readings may be answered within a time limit that all of them together have reached.
    pub fn has_shorter_readings(&self) -> bool {
        self.readings.len() > 1 && matches!(self.work, TaskKind::Distinct(_))
    }

    /// A tally for every reading of the task and every day.
    pub async fn answer(
        &self,
        executor: &mut Executor<'_>,
        schema: &Schema,
        days: &[DayBounds],
    ) -> Result<Vec<Vec<Tally>>, Fault> {
        match &self.work {
            TaskKind::Scalars(group) => group.answer(executor, schema, days).await,
            TaskKind::Quantiles(group) => group.answer(executor, schema, days).await,
            TaskKind::Labels(reading) => Ok(vec![reading.answer(executor, schema, days).await?]),
            TaskKind::Distinct(group) => group.answer(executor, schema, days).await,
            TaskKind::Query(reading) => Ok(vec![reading.answer(executor, days).await?]),
            TaskKind::Impossible(fault) => Err(fault.clone()),
        }
    }

    /// The statements that [`Self::answer`] starts with. More follow only where one takes too long.
    pub fn statements(
        &self,
        dialect: Dialect,
        schema: &Schema,
        calendar: &Calendar,
        days: &[DayBounds],
    ) -> Result<Vec<PlannedStatement>, Fault> {
        let planned =
            |purpose: String, sql: String| PlannedStatement { sources: self.sources.clone(), purpose, sql };
        let mut statements = Vec::new();
        match &self.work {
            TaskKind::Scalars(group) => {
                let source = group.source();
                for stream in group.streams() {
                    let body = group.body(dialect, schema, stream);
                    let (how, sql) = scanned(dialect, schema, source, stream, &body, &group.spans(days))?;
                    statements.push(planned(format!("counts of {}: {how}", source.table), sql));
                }
            }
            TaskKind::Quantiles(group) => {
                let scan = Scan::new(dialect, schema, group.source, Stream::Entering)?;
                let how = scan.access(days.len());
                let what = format!("quantiles of {}.{}: {how}", group.source.table, group.column);
                statements.push(planned(what, group.statement(&scan, calendar, days)));
            }
            TaskKind::Labels(reading) => {
                let scan = Scan::new(dialect, schema, reading.source, Stream::Entering)?;
                let how = scan.access(reading.spans(days).len());
                let what = format!("{} by {}: {how}", reading.source.table, reading.column);
                statements.push(planned(what, reading.statement(dialect, schema, days)?));
            }
            TaskKind::Distinct(group) => {
                let sql = group.statement(dialect, schema, calendar, days)?;
                let what = format!(
                    "distinct {} of {} in {}",
                    group.column.unwrap_or("actors"),
                    self.sources.join(", "),
                    group.windows()
                );
                statements.push(planned(what, sql));
            }
            TaskKind::Query(reading) => {
                if let Some(day) = days.last() {
                    statements.push(planned(
                        "a query of your own, once a day".to_owned(),
                        reading.statement(dialect, day)?,
                    ));
                }
            }
            TaskKind::Impossible(fault) => return Err(fault.clone()),
        }
        Ok(statements)
    }
}

fn scanned(
    dialect: Dialect,
    schema: &Schema,
    source: &Source,
    stream: Stream,
    body: &StatementBody,
    spans: &[Span],
) -> Result<(String, String), Fault> {
    let scan = Scan::new(dialect, schema, source, stream)?;
    let of = if stream == Stream::Leaving { "soft deletions, " } else { "" };
    Ok((format!("{of}{}", scan.access(spans.len())), scan.statement(body, spans)))
}

/// The statements of all readings, for people; see [`crate::platform::Platform::plan`].
pub fn plan_statements(
    dialect: Dialect,
    calendar: &Calendar,
    schema: &Schema,
    sources: &Sources,
    readings: &[Reading],
    days: &[DayBounds],
) -> Result<Vec<PlannedStatement>, Fault> {
    let all: Vec<_> = (0..readings.len()).collect();
    let mut statements = Vec::new();
    for task in plan(dialect, sources, readings, &all) {
        statements.extend(task.statements(dialect, schema, calendar, days)?);
    }
    Ok(statements)
}
