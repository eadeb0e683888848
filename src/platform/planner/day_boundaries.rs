//! The parts into which the calendar days that end with a day fall, for statements that answer one day.

use jiff::{ToSpan, civil::Date};

use super::{
    activity::EdgeRange, day_parameter::DayParameter, dialect::Dialect, span::Edge, time::TimeColumn,
};
use crate::metric::{Calendar, DayBounds};

/// The starts of the parts, the earliest first. The last part ends with the day.
pub struct DayBoundaries {
    /// Each with the number of calendar days before the day.
    starts: Vec<(u32, Edge)>,
    end: Edge,
}

impl DayBoundaries {
    /// Parts that begin that many calendar days before the day, in any order.
    pub fn of_day(calendar: &Calendar, day: &DayBounds, days_before: Vec<u32>) -> Self {
        let start = |days_before: u32| {
            let date = day.date.saturating_sub(i64::from(days_before).days());
            Edge::at(calendar.start_of(date), date)
        };
        Self::new(days_before, start, Edge::at(day.end, next(day.date)))
    }

    /// As [`Self::of_day`] for the day that the parameters of a statement name.
    pub fn of_parameters(days_before: Vec<u32>) -> Self {
        Self::new(
            days_before,
            |days_before| DayParameter::Start { days_before }.into(),
            DayParameter::EndOfDate.into(),
        )
    }

    fn new(mut days_before: Vec<u32>, start: impl Fn(u32) -> Edge, end: Edge) -> Self {
        days_before.sort_unstable();
        days_before.dedup();
        let starts = days_before.into_iter().rev().map(|days| (days, start(days))).collect();
        Self { starts, end }
    }

    /// The number of the part that begins this number of calendar days before the day; the first part has the number 0.
    pub fn part(&self, days_before: u32) -> usize {
        self.starts.partition_point(|(start, _)| *start > days_before)
    }

    /// The start of the first part, which is the earliest.
    pub fn first(&self) -> Edge {
        self.starts.first().map_or(self.end, |(_, start)| *start)
    }

    /// From the start of a part to the end of the day.
    pub fn from(&self, days_before: u32) -> EdgeRange {
        let start = self.starts.get(self.part(days_before));
        (Some(start.map_or(self.end, |(_, start)| *start)), self.end)
    }

    /// From the start of the first part to the end of the day.
    pub fn all(&self) -> EdgeRange {
        (Some(self.first()), self.end)
    }

    /// The expression of the number of a row's part.
    pub fn part_of(&self, dialect: Dialect, time: &TimeColumn) -> String {
        let inner: Vec<_> = self.starts.iter().skip(1).map(|(_, start)| *start).collect();
        match dialect {
            _ if inner.is_empty() => "0".to_owned(),
            Dialect::Postgres => format!("({})::int", time.bucket(&inner)),
            Dialect::Sqlite => format!("({})", time.bucket(&inner)),
        }
    }
}

fn next(date: Date) -> Date {
    date.tomorrow().unwrap_or(date)
}
