//! The days of a query: those that exist in the reporting zone, and how far they are over.

use jiff::{ToSpan, civil::Date};

use super::interval::Bucket;
use crate::{collect::FIRST_DAY, metric::Calendar};

/// The existing days of a range.
#[derive(Debug, Clone)]
pub(super) struct DayRange {
    pub from: Date,
    pub to: Date,
    /// In order; without dates that the zone skipped.
    pub days: Vec<Date>,
    pub last_finished: Date,
}

impl DayRange {
    pub fn new(calendar: &Calendar, from: Date, to: Date, last_finished: Date) -> Self {
        // Each midnight is computed once, because it ends one day and begins the next.
        let (mut days, mut date, mut start) = (Vec::new(), from, calendar.start_of(from));
        while date <= to {
            let end = calendar.start_of(date.tomorrow().unwrap_or(date));
            if start < end {
                days.push(date);
            }
            let Ok(next) = date.tomorrow() else { break };
            (date, start) = (next, end);
        }
        Self { from, to, days, last_finished }
    }

    /// The part of the range from `from` on.
    pub fn since(mut self, from: Date) -> Self {
        self.days.drain(..self.days.partition_point(|day| *day < from));
        Self { from, ..self }
    }

    /// The part of the range up to and including `to`.
    pub fn until(mut self, to: Date) -> Self {
        self.days.truncate(self.days.partition_point(|day| *day <= to));
        Self { to, ..self }
    }

    /// # Errors
    /// A range that is empty, begins before any day that can be recorded, or ends more than a year ahead.
    pub fn check(from: Date, to: Date, last_finished: Date) -> Result<(), String> {
        if to > last_finished.saturating_add(1.year()) {
            return Err(format!("{to} is more than a year ahead; the last finished day is {last_finished}"));
        }
        if from > to {
            return Err(format!("the range is empty: {from} is after {to}"));
        }
        match from < FIRST_DAY {
            true => Err(format!("{from} is before {FIRST_DAY}, the first day that can be recorded")),
            false => Ok(()),
        }
    }

    /// The days that are over, and those that are not.
    pub fn split(&self) -> (&[Date], &[Date]) {
        self.days.split_at(self.days.partition_point(|day| *day <= self.last_finished))
    }

    /// The days of the bucket that exist.
    pub fn days_in(&self, bucket: Bucket) -> &[Date] {
        let first = self.days.partition_point(|day| *day < bucket.from);
        let end = self.days.partition_point(|day| *day <= bucket.to);
        self.days.get(first..end).unwrap_or_default()
    }

    /// How many days of the bucket are over.
    pub fn days_due(&self, bucket: Bucket) -> usize {
        self.days_in(bucket).partition_point(|day| *day <= self.last_finished)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for zone in ["UTC", "Europe/Berlin", "Pacific/Apia", "America/Sao_Paulo"] {
            let calendar = Calendar::new(zone).unwrap();
            let (from, to) = (date(2011, 1, 1), date(2012, 12, 31));
            let expected: Vec<_> = calendar.days(from, to).iter().map(|day| day.date).collect();
            let range = DayRange::new(&calendar, from, to, date(2012, 1, 2));
            assert_eq!(range.days, expected, "{zone}");
            let week = Bucket { from: date(2011, 12, 26), to: date(2012, 1, 1) };
            assert_eq!(range.days_due(week), if zone == "Pacific/Apia" { 6 } else { 7 });
            assert_eq!(range.days_due(Bucket { from: date(2012, 1, 1), to: date(2012, 1, 31) }), 2);
        }
    }
}
