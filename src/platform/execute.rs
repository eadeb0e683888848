//! Running tasks within a snapshot: what fails together is tried apart, what is locked is tried again, and only a lost
//! connection of the session itself ends it all.

use jiff::Timestamp;

use super::{
    Schema, Sources,
    dialect::Dialect,
    session::{Answer, PlatformOptions, Session},
    task::{self, Task},
    time::TimeColumn,
};
use crate::{
    database::{Fault, FaultClass},
    metric::{Calendar, DayBounds, Decimal, Reading, Tally},
};

/// A session with the options that apply to it.
pub struct Reader<'a> {
    session: &'a mut dyn Session,
    options: &'a PlatformOptions,
}

/// For every reading a tally for every day, or why there is none.
pub type ReadingResults = Vec<Result<Vec<Tally>, Fault>>;

impl<'a> Reader<'a> {
    pub fn new(session: &'a mut dyn Session, options: &'a PlatformOptions) -> Self {
        Self { session, options }
    }

    pub fn dialect(&self) -> Dialect {
        self.session.dialect()
    }

    pub fn calendar(&self) -> &'a Calendar {
        &self.options.calendar
    }

    /// How many statements can run at once.
    pub fn at_once(&self) -> usize {
        self.session.at_once()
    }

    /// Tables with fewer rows are not read in parts.
    pub fn min_rows(&self) -> u64 {
        self.options.parallel.min_rows
    }

    /// As [`Self::answers`] of each statement, as many of them at once as can run.
    pub async fn answers_of_all(&mut self, statements: &[String]) -> Vec<Result<Vec<Answer>, Fault>> {
        if let [sql] = statements {
            return vec![self.answers(sql).await];
        }
        let mut outcomes = self.session.answers_of_all(statements).await;
        for (sql, outcome) in statements.iter().zip(&mut outcomes) {
            if outcome.as_ref().is_err_and(may_pass) {
                *outcome = self.answers(sql).await;
            }
        }
        outcomes
    }

    /// Runs a statement; when somebody's lock is in the way, or another server is away, again a little later.
    pub async fn answers(&mut self, sql: &str) -> Result<Vec<Answer>, Fault> {
        let session = tokio::sync::Mutex::new(&mut *self.session);
        self.options.retry.run(may_pass, || async { session.lock().await.answers(sql).await }).await
    }

    pub async fn earliest(&mut self, time: &TimeColumn, table: &str) -> Result<Option<Timestamp>, Fault> {
        let answers = self.answers(&time.earliest_query(table)).await?;
        let first = answers.into_iter().next().and_then(|(_, values)| values.into_iter().next().flatten());
        Ok(first.and_then(|seconds| time.earliest_from(&seconds)))
    }

    /// See [`super::Cut::read`].
    pub async fn read(
        &mut self,
        schema: &Schema,
        sources: &Sources,
        readings: &[Reading],
        days: &[DayBounds],
    ) -> Result<ReadingResults, Fault> {
        let all: Vec<_> = (0..readings.len()).collect();
        let mut results: Vec<Option<Result<Vec<Tally>, Fault>>> = readings.iter().map(|_| None).collect();
        if days.is_empty() {
            return Ok(readings.iter().map(|_| Ok(Vec::new())).collect());
        }
        for task in task::plan(sources, readings, &all) {
            match task.answer(self, schema, days).await {
                Ok(tallies) => store(&mut results, &task, tallies),
                Err(fault) if fault.class == FaultClass::Unreachable => return Err(fault),
                // Each reading alone would wait for the same server again.
                Err(fault) if task.readings.len() == 1 || fault.class == FaultClass::Elsewhere => {
                    for &index in &task.readings {
                        results[index] = Some(Err(fault.clone()));
                    }
                }
                Err(_) => self.read_apart(schema, sources, readings, days, &task, &mut results).await?,
            }
        }
        let unanswered = || Err(Fault::new(FaultClass::Other, "no statement answered this reading"));
        Ok(results.into_iter().map(|result| result.unwrap_or_else(unanswered)).collect())
    }

    /// One reading must not take others with it: each gets a statement of its own.
    async fn read_apart(
        &mut self,
        schema: &Schema,
        sources: &Sources,
        readings: &[Reading],
        days: &[DayBounds],
        task: &Task<'_>,
        results: &mut [Option<Result<Vec<Tally>, Fault>>],
    ) -> Result<(), Fault> {
        for &index in &task.readings {
            for alone in task::plan(sources, readings, &[index]) {
                match alone.answer(self, schema, days).await {
                    Ok(tallies) => store(results, &alone, tallies),
                    Err(fault) if fault.class == FaultClass::Unreachable => return Err(fault),
                    Err(fault) => results[index] = Some(Err(fault)),
                }
            }
        }
        Ok(())
    }

    /// See [`super::Cut::explain`].
    pub async fn explain(
        &mut self,
        schema: &Schema,
        sources: &Sources,
        readings: &[Reading],
        days: &[DayBounds],
    ) -> Result<Vec<Result<String, Fault>>, Fault> {
        let mut results = Vec::with_capacity(readings.len());
        for index in 0..readings.len() {
            let mut plans = Ok(String::new());
            for task in task::plan(sources, readings, &[index]) {
                match self.explain_task(&task, schema, days).await {
                    Ok(plan) => plans = plans.map(|before| before + &plan),
                    Err(fault) if fault.class == FaultClass::Unreachable => return Err(fault),
                    Err(fault) => plans = Err(fault),
                }
            }
            results.push(plans);
        }
        Ok(results)
    }

    async fn explain_task(
        &mut self,
        task: &Task<'_>,
        schema: &Schema,
        days: &[DayBounds],
    ) -> Result<String, Fault> {
        let mut plan = String::new();
        for statement in task.statements(self.dialect(), schema, self.calendar(), days)? {
            plan += &self.session.explain(&statement.sql).await?;
        }
        Ok(plan)
    }
}

/// Whether the same statement may well work a moment later, in the same snapshot.
fn may_pass(fault: &Fault) -> bool {
    matches!(fault.class, FaultClass::Locked | FaultClass::Contention | FaultClass::Elsewhere)
}

fn store(results: &mut [Option<Result<Vec<Tally>, Fault>>], task: &Task<'_>, tallies: Vec<Vec<Tally>>) {
    for (&index, tallies) in task.readings.iter().zip(tallies) {
        results[index] = Some(Ok(tallies));
    }
}

/// A count as a database wrote it; NULL (a sum over nothing) is 0.
pub fn parse_count(text: Option<&str>) -> Result<i64, Fault> {
    let Some(text) = text else { return Ok(0) };
    text.parse().map_err(|_| {
        Fault::new(FaultClass::Other, format!("`{text}` is not a whole number that a count can be"))
    })
}

/// A number as a database wrote it; NULL (a sum over nothing) is 0. NaN and infinities are refused.
pub fn parse_decimal(text: Option<&str>) -> Result<Decimal, Fault> {
    let Some(text) = text else { return Ok(Decimal::zero()) };
    text.parse()
        .map_err(|error: crate::metric::DecimalError| Fault::new(FaultClass::Other, error.to_string()))
}
