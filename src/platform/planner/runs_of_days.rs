//! Consecutive days that are read at once: fewer of them after a statement that reached its time limit or had too many answers.

use super::{
    execute::Executor,
    scan::without_index,
    session::{MAX_ANSWERS, SpanRow},
};
use crate::{
    database::{Fault, FaultClass},
    metric::{Calendar, DayBounds, Source},
};

/// A reading of which one statement answers any number of consecutive days.
pub trait ReadsRuns: Send + Sync {
    fn statement(&self, calendar: &Calendar, days: &[DayBounds]) -> String;

    /// Takes the answers of the statement for these days, which follow those that it took before.
    fn add(&mut self, days: &[DayBounds], answers: &[SpanRow]) -> Result<(), Fault>;

    /// A source whose time column is not known to have an index.
    fn without_index(&self) -> Option<&Source>;

    /// Whether fewer days mean fewer rows.
    fn can_be_halved(&self, days: &[DayBounds]) -> bool;
}

impl Executor<'_> {
    /// Reads the days with as few statements as the time limit and the number of answers allow.
    pub async fn read_runs(&mut self, reading: &mut impl ReadsRuns, days: &[DayBounds]) -> Result<(), Fault> {
        let mut runs = RunsOfDays::new(days);
        while !runs.next().is_empty() {
            let run = runs.next();
            match self.answers(&reading.statement(self.calendar(), run)).await {
                Ok(answers) if answers.len() > MAX_ANSWERS && runs.halve() => {}
                Ok(answers) => {
                    reading.add(run, &answers)?;
                    runs.advance();
                }
                Err(fault) if fault.class != FaultClass::TimedOut || self.is_over() => return Err(fault),
                Err(fault) => {
                    let of_last_day = reading.statement(self.calendar(), &run[run.len().saturating_sub(1)..]);
                    if let Some(source) = reading.without_index()
                        && !self.reads_a_range(&of_last_day).await?
                    {
                        return Err(without_index(source, fault));
                    }
                    if !reading.can_be_halved(run) || !runs.halve() {
                        return Err(fault);
                    }
                }
            }
        }
        Ok(())
    }
}

pub struct RunsOfDays<'a> {
    rest: &'a [DayBounds],
    at_once: usize,
}

impl<'a> RunsOfDays<'a> {
    pub fn new(days: &'a [DayBounds]) -> Self {
        Self { rest: days, at_once: days.len() }
    }

    /// The days to read next; empty when all are read.
    pub fn next(&self) -> &'a [DayBounds] {
        &self.rest[..self.at_once.min(self.rest.len())]
    }

    /// The days of [`Self::next`] are read.
    pub fn advance(&mut self) {
        self.rest = &self.rest[self.next().len()..];
    }

    /// Half as many days come next, and from then on. Returns false for a single day.
    pub fn halve(&mut self) -> bool {
        let length = self.next().len();
        if length > 1 {
            self.at_once = length / 2;
        }
        length > 1
    }
}
