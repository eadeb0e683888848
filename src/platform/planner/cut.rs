//! A cut is a session that holds a snapshot open; the code that reads in it is the same for both databases. Readings
//! that fail together are retried one by one, and only a lost connection of the session itself fails them all.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    execute::Executor,
    gather,
    named_source::require_sound,
    read_relations,
    session::{Session, ends_the_cut},
    task::ReadingTask,
    time::TimeColumn,
};
use crate::{
    database::{Deadline, Fault, FaultClass},
    metric::{DayBounds, Reading, Source, Tally},
    platform::{
        contract::{Cut, LostCut, OldStates, PlatformOptions, ReadRelations, ReadingResults, Sources},
        schema::Schema,
    },
};

pub struct SessionCut<S> {
    pub session: S,
    pub options: PlatformOptions,
    /// The time by which every statement must have ended.
    pub deadline: Deadline,
}

impl<S: Session> SessionCut<S> {
    fn executor(&mut self) -> Executor<'_> {
        Executor::new(&mut self.session, &self.options, self.deadline)
    }
}

#[async_trait]
impl<S: Session> Cut for SessionCut<S> {
    async fn read(
        &mut self,
        schema: &Schema,
        sources: &Sources,
        readings: &[Reading],
        days: &[DayBounds],
    ) -> Result<ReadingResults, LostCut> {
        if days.is_empty() {
            return Ok(readings.iter().map(|_| Ok(Vec::new())).collect());
        }
        let dialect = self.session.dialect();
        let all: Vec<_> = (0..readings.len()).collect();
        let results = readings.iter().map(|_| None).collect();
        let mut run = CutRead { executor: self.executor(), schema, sources, readings, days, results };
        for task in gather::plan(dialect, sources, readings, &all) {
            run.answer(&task).await?;
        }
        let unanswered = || Err(Fault::new(FaultClass::Other, "no statement answered this reading"));
        Ok(run.results.into_iter().map(|result| result.unwrap_or_else(unanswered)).collect())
    }

    async fn earliest(&mut self, source: &Source) -> Result<Option<Timestamp>, Fault> {
        let dialect = self.session.dialect();
        require_sound(dialect, source)?;
        let time = TimeColumn::new(dialect, source, dialect.name(&source.time_column))?;
        self.executor().earliest(&time, &dialect.table(source)).await
    }

    async fn relations(
        &mut self,
        sources: &Sources,
        readings: &[Reading],
        day: &DayBounds,
    ) -> Result<Vec<ReadRelations>, Fault> {
        read_relations::of_readings(&mut self.executor(), sources, readings, day).await
    }

    async fn staleness(&mut self, relations: &BTreeSet<String>) -> Result<OldStates, Fault> {
        self.session.staleness(relations.iter().cloned().collect()).await
    }

    async fn explain(
        &mut self,
        schema: &Schema,
        sources: &Sources,
        readings: &[Reading],
        days: &[DayBounds],
    ) -> Result<Vec<Result<String, Fault>>, Fault> {
        let mut executor = self.executor();
        let mut results = Vec::with_capacity(readings.len());
        for index in 0..readings.len() {
            let mut plans = Ok(String::new());
            for task in gather::plan(executor.dialect(), sources, readings, &[index]) {
                match explain(&mut executor, &task, schema, days).await {
                    Ok(plan) => plans = plans.map(|before| before + &plan),
                    Err(fault) if ends_the_cut(&fault) => return Err(fault),
                    Err(fault) => plans = Err(fault),
                }
            }
            results.push(plans);
        }
        Ok(results)
    }
}

/// One call of [`Cut::read`].
struct CutRead<'a> {
    executor: Executor<'a>,
    schema: &'a Schema,
    sources: &'a Sources,
    readings: &'a [Reading],
    days: &'a [DayBounds],
    results: Vec<Option<Result<Vec<Tally>, Fault>>>,
}

impl CutRead<'_> {
    async fn answer(&mut self, task: &ReadingTask<'_>) -> Result<(), LostCut> {
        match task.answer(&mut self.executor, self.schema, self.days).await {
            Ok(tallies) => self.keep(task, tallies),
            Err(fault) if ends_the_cut(&fault) => {
                return Err(LostCut { fault, readings: task.readings.clone() });
            }
            Err(fault) if task.readings.len() > 1 && is_of_one_reading(&fault, task) => {
                self.answer_apart(task).await?;
            }
            Err(fault) => self.fail(&task.readings, &fault),
        }
        Ok(())
    }

    fn fail(&mut self, readings: &[usize], fault: &Fault) {
        for &index in readings {
            self.results[index] = Some(Err(fault.clone()));
        }
    }

    /// Gives each reading of the task a statement of its own, so that one that fails does not take the others with it. Once
    /// one reaches the time limit, those that come after it are not tried.
    async fn answer_apart(&mut self, task: &ReadingTask<'_>) -> Result<(), LostCut> {
        for (place, &index) in task.readings.iter().enumerate() {
            for alone in gather::plan(self.executor.dialect(), self.sources, self.readings, &[index]) {
                match alone.answer(&mut self.executor, self.schema, self.days).await {
                    Ok(tallies) => self.keep(&alone, tallies),
                    Err(fault) if ends_the_cut(&fault) => {
                        return Err(LostCut { fault, readings: vec![index] });
                    }
                    Err(fault) if fault.class == FaultClass::TimedOut => {
                        self.fail(&task.readings[place..], &fault);
                        return Ok(());
                    }
                    Err(fault) => self.results[index] = Some(Err(fault)),
                }
            }
        }
        Ok(())
    }

    fn keep(&mut self, task: &ReadingTask<'_>, tallies: Vec<Vec<Tally>>) {
        for (&index, tallies) in task.readings.iter().zip(tallies) {
            self.results[index] = Some(Ok(tallies));
        }
    }
}

/// Whether a failure of all readings of the task together may be that of one of them. Each alone would wait for the same
/// server again, and scan the same rows for as long.
fn is_of_one_reading(fault: &Fault, task: &ReadingTask<'_>) -> bool {
    match fault.class {
        FaultClass::Elsewhere => false,
        FaultClass::TimedOut => task.has_shorter_readings(),
        _ => true,
    }
}

async fn explain(
    executor: &mut Executor<'_>,
    task: &ReadingTask<'_>,
    schema: &Schema,
    days: &[DayBounds],
) -> Result<String, Fault> {
    let mut plan = String::new();
    for statement in task.statements(executor.dialect(), schema, executor.calendar(), days)? {
        plan += &executor.explain(&statement.sql).await?;
    }
    Ok(plan)
}
