//! Consecutive days that are read at once: fewer of them after a statement that reached its time limit or had too many answers.

use crate::metric::DayBounds;

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
