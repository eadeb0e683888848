//! Tasks: readings that are answered together. A task is one statement, or two where soft deletions have to be read as well.

use super::{
    cohorts::CohortGroup,
    dialect::Dialect,
    distinct::DistinctGroup,
    execute::Executor,
    growth::GrowthGroup,
    labels::LabelReading,
    quantiles::QuantileGroup,
    query::QueryReading,
    runs_of_days::ReadsRuns,
    scalars::ScalarGroup,
    scan::{Scan, StatementBody, Stream},
    span::Span,
};
use crate::{
    database::Fault,
    metric::{Calendar, DayBounds, Source, Tally},
    platform::{contract::PlannedStatement, schema::Schema},
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
    Growth(GrowthGroup<'a>),
    Cohorts(CohortGroup<'a>),
    Query(QueryReading<'a>),
    /// A reading of a source that is not defined, or is unsound.
    Impossible(Fault),
}

impl ReadingTask<'_> {
    /// Whether its first readings may be answered within a time limit that all of them together have reached.
    pub fn has_shorter_readings(&self) -> bool {
        match &self.work {
            TaskKind::Distinct(_) | TaskKind::Growth(_) => self.readings.len() > 1,
            TaskKind::Quantiles(group) => group.has_windows(),
            _ => false,
        }
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
            TaskKind::Growth(group) => group.answer(executor, schema, days).await,
            TaskKind::Cohorts(group) => group.answer(executor, schema, days).await,
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
                statements.push(planned(what, group.statement_of(&scan, calendar, days)));
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
            TaskKind::Growth(group) => {
                let sql = group.statement(dialect, schema, calendar, days)?;
                let what = format!("actors of {} in {}", self.sources.join(", "), group.described());
                statements.push(planned(what, sql));
            }
            TaskKind::Cohorts(group) => {
                let sql = group.statement(dialect, schema, calendar, days)?;
                let what = format!("actors of {}: {}", self.sources.join(", "), group.described());
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
