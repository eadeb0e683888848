//! Collects the metrics that failed in a backfill, and the days on which they failed.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::collect::{FailedDays, Failure};

/// The most intervals of failed days that the log lists for a metric; the last one is extended to cover all that
/// follow.
const MAX_LISTED: usize = 50;
/// The most characters of an interval's message.
const MAX_MESSAGE_CHARS: usize = 200;

/// Keyed by the metric's index in the list of missing records.
#[derive(Default)]
pub(super) struct Failures(BTreeMap<usize, OfMetric>);

struct OfMetric {
    /// The first failure that was found.
    failure: Failure,
    /// The number of failed days.
    days: usize,
    /// The failed days; empty if all days that the metric lacks failed.
    intervals: Vec<FailedDays>,
}

impl Failures {
    /// Adds a failure of every day that the metric lacks; `days` is their number.
    pub fn add_all(&mut self, member: usize, failure: Failure, days: usize) {
        self.of(member, failure).days += days;
    }

    /// Adds a failure of the days from `first` to `last`; `days` is the number of those that the metric lacks.
    pub fn add_days(&mut self, member: usize, failure: Failure, first: Date, last: Date, days: usize) {
        let message = failure.message.chars().take(MAX_MESSAGE_CHARS).collect();
        let of_metric = self.of(member, failure);
        of_metric.days += days;
        of_metric.intervals.push(FailedDays { first, last, message });
    }

    fn of(&mut self, member: usize, failure: Failure) -> &mut OfMetric {
        self.0.entry(member).or_insert(OfMetric { failure, days: 0, intervals: Vec::new() })
    }

    pub fn contains(&self, member: usize) -> bool {
        self.0.contains_key(&member)
    }

    /// Returns one failure for each metric, whose message names its first failed days and their number.
    pub fn list(&self) -> Vec<Failure> {
        self.0.values().map(OfMetric::summarized).collect()
    }
}

impl OfMetric {
    fn summarized(&self) -> Failure {
        let days = merged(self.intervals.clone());
        let place = match days.first() {
            None => String::new(),
            Some(days) if days.first == days.last => format!("{}: ", days.first),
            Some(days) => format!("{} to {}: ", days.first, days.last),
        };
        let message = days.first().map_or(&self.failure.message, |first| &first.message);
        let count = match self.days {
            1 => String::new(),
            days => format!(" ({days} days)"),
        };
        Failure { message: format!("{place}{message}{count}"), days, ..self.failure.clone() }
    }
}

/// Sorts the intervals, merges adjacent ones with the same message, and limits them to [`MAX_LISTED`].
fn merged(mut intervals: Vec<FailedDays>) -> Vec<FailedDays> {
    intervals.sort_by_key(|days| days.first);
    let mut merged: Vec<FailedDays> = Vec::new();
    for days in intervals {
        let is_full = merged.len() == MAX_LISTED;
        match merged.last_mut() {
            Some(last)
                if is_full
                    || (last.message == days.message && last.last.tomorrow().ok() == Some(days.first)) =>
            {
                last.last = days.last;
            }
            _ => merged.push(days),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use jiff::{ToSpan, civil::date};

    use super::*;

    fn value(category: &str, message: &str) -> Failure {
        Failure::of_value(category, message.to_owned())
    }

    #[test]
    fn a_metric_that_fails_on_many_days_is_listed_once() {
        let mut failures = Failures::default();
        let mut add = |member, category, message, day| {
            failures.add_days(member, value(category, message), date(2025, 1, day), date(2025, 1, day), 1);
        };
        add(3, "balance", "negative", 3);
        add(3, "balance", "negative", 2);
        add(1, "rate", "odd", 9);
        let messages: Vec<_> = failures.list().into_iter().map(|failure| failure.summary()).collect();
        assert_eq!(
            messages,
            ["rate: 2025-01-09: odd", "balance: 2025-01-02 to 2025-01-03: negative (2 days)"]
        );
        assert!(failures.contains(3) && !failures.contains(2));
    }

    #[test]
    fn a_failure_of_the_whole_range_names_no_days() {
        let mut failures = Failures::default();
        failures.add_all(0, value("rate", "no such table"), 10);
        let listed = failures.list();
        assert_eq!((listed[0].message.as_str(), listed[0].days.len()), ("no such table (10 days)", 0));
    }

    #[test]
    fn the_failed_days_in_the_log_are_bounded_for_each_metric() {
        let mut failures = Failures::default();
        for offset in 0..100 {
            let day = date(2025, 1, 1).saturating_add((offset * 2).days());
            failures.add_days(0, value("rate", &"x".repeat(1000)), day, day, 1);
        }
        let days = failures.list().remove(0).days;
        assert_eq!((days.len(), days[0].message.len()), (MAX_LISTED, MAX_MESSAGE_CHARS));
        assert_eq!(days[MAX_LISTED - 1].last, date(2025, 1, 1).saturating_add(198.days()));
    }
}
