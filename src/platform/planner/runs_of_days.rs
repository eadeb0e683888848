//! Consecutive days that are read at once: fewer of them after a statement that reached its time limit or had too many answers.

use super::{
    execute::Executor,
    scan::without_index,
    session::{MAX_ANSWERS, SpanRow},
};
use crate::{
    database::{Fault, FaultClass},
    metric::{Calendar, DayBounds, Source, Tally},
};

/// Readings of which one statement answers any number of consecutive days.
pub trait ReadsRuns: Send + Sync {
    /// The scans of the sources that are read.
    type Scans: Send + Sync;

    fn statement_of(&self, scans: &Self::Scans, calendar: &Calendar, days: &[DayBounds]) -> String;

    /// For each reading a tally for each of the days, from the answers of their statement.
    fn tallies(
        &self,
        scans: &Self::Scans,
        calendar: &Calendar,
        days: &[DayBounds],
        answers: &[SpanRow],
    ) -> Result<Vec<Vec<Tally>>, Fault>;

    /// A source whose time column is not known to have an index.
    fn without_index(scans: &Self::Scans) -> Option<&Source>;

    /// Whether fewer days mean fewer rows.
    fn can_be_halved(&self, days: &[DayBounds]) -> bool;
}

impl Executor<'_> {
    /// Reads the days with as few statements as the time limit and the number of answers allow. Returns for each reading a tally
    /// for each of the days, of which there is at least one.
    pub async fn read_runs<R: ReadsRuns>(
        &mut self,
        readings: &R,
        scans: &R::Scans,
        days: &[DayBounds],
    ) -> Result<Vec<Vec<Tally>>, Fault> {
        let mut tallies: Vec<Vec<Tally>> = Vec::new();
        let mut runs = RunsOfDays::new(days);
        while !runs.next().is_empty() {
            let run = runs.next();
            match self.answers(&readings.statement_of(scans, self.calendar(), run)).await {
                Ok(answers) if answers.len() > MAX_ANSWERS && runs.halve() => {}
                Ok(answers) => {
                    let of_run = readings.tallies(scans, self.calendar(), run, &answers)?;
                    tallies.resize_with(of_run.len(), Vec::new);
                    tallies.iter_mut().zip(of_run).for_each(|(all, of_run)| all.extend(of_run));
                    runs.advance();
                }
                Err(fault) if fault.class != FaultClass::TimedOut || self.is_over() => return Err(fault),
                Err(fault) => {
                    let last_day = &run[run.len().saturating_sub(1)..];
                    let of_last_day = readings.statement_of(scans, self.calendar(), last_day);
                    if let Some(source) = R::without_index(scans)
                        && !self.reads_a_range(&of_last_day).await?
                    {
                        return Err(without_index(source, fault));
                    }
                    if !readings.can_be_halved(run) || !runs.halve() {
                        return Err(fault);
                    }
                }
            }
        }
        Ok(tallies)
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
