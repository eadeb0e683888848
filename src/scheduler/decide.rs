//! Decides the next steps: a pure function of the state.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date};

use super::attempts::{Attempt, next_attempt};
use crate::jobs::Task;

/// The days of a metric that should be recorded and are not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricGaps {
    pub category: String,
    /// Ascending.
    pub days: Vec<Date>,
    /// When its definition was changed last.
    pub changed_at: Timestamp,
}

/// The decision about a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Start {
        task: Task,
        /// Whether the last attempt at it failed: then it is worth asking first whether the platform can be reached.
        has_failed: bool,
    },
    Wait {
        until: Timestamp,
    },
}

/// The state at one survey.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    pub now: Timestamp,
    /// Newest first.
    pub attempts: &'a [Attempt],
}

impl Known<'_> {
    /// The collection of `date`, which lacks `missing`; `None` when nothing is missing.
    pub fn collect(&self, date: Date, missing: &[MetricGaps]) -> Option<Step> {
        let changed_at = missing.iter().map(|metric| metric.changed_at).max()?;
        Some(self.step(Task::Collect { date, metrics: Vec::new() }, changed_at))
    }

    /// The backfills of missed days. Metrics that lack the same range of days are filled together, so that each source
    /// is read once.
    pub fn catch_up(&self, gaps: &[MetricGaps]) -> Vec<Step> {
        let mut ranges: BTreeMap<(Date, Date), Vec<&MetricGaps>> = BTreeMap::new();
        for metric in gaps {
            if let (Some(first), Some(last)) = (metric.days.first(), metric.days.last()) {
                ranges.entry((*first, *last)).or_default().push(metric);
            }
        }
        let step = |((first, last), metrics): ((Date, Date), Vec<&MetricGaps>)| {
            let changed_at = metrics.iter().map(|metric| metric.changed_at).max()?;
            let mut names: Vec<_> = metrics.into_iter().map(|metric| metric.category.clone()).collect();
            names.sort_unstable();
            Some(self.step(Task::Backfill { from: Some(first), to: Some(last), metrics: names }, changed_at))
        };
        ranges.into_iter().filter_map(step).collect()
    }

    fn step(&self, task: Task, changed_at: Timestamp) -> Step {
        // A change with a time in the future was made while the clock was wrong, so attempts before it still count.
        let changed_at = Some(changed_at).filter(|changed_at| *changed_at <= self.now);
        match next_attempt(self.attempts, &task, changed_at, self.now) {
            Some(until) if self.now < until => Step::Wait { until },
            attempt => Step::Start { task, has_failed: attempt.is_some() },
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::store::JobStatus;

    fn gaps(category: &str, days: &[i8]) -> MetricGaps {
        let days = days.iter().map(|day| date(2025, 1, *day)).collect();
        MetricGaps { category: category.to_owned(), days, changed_at: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn metrics_that_lack_the_same_range_are_one_backfill() {
        let known = Known { now: Timestamp::MAX, attempts: &[] };
        let gaps = [gaps("b", &[2, 4]), gaps("a", &[2, 3, 4]), gaps("new", &[1]), gaps("whole", &[])];
        let task = |first, last, metrics: &[&str]| Step::Start {
            task: Task::Backfill {
                from: Some(date(2025, 1, first)),
                to: Some(date(2025, 1, last)),
                metrics: metrics.iter().map(|name| (*name).to_owned()).collect(),
            },
            has_failed: false,
        };
        assert_eq!(known.catch_up(&gaps), [task(1, 1, &["new"]), task(2, 4, &["a", "b"])]);
    }

    #[test]
    fn a_failed_attempt_is_spaced_and_looks_first() {
        let (day, ended_at) = (date(2025, 1, 1), "2025-01-02T00:15:00Z".parse::<Timestamp>().unwrap());
        let task = Task::Collect { date: day, metrics: Vec::new() };
        let attempts = [Attempt { task: task.clone(), status: JobStatus::Failed, ended_at }];
        let minute = jiff::SignedDuration::from_mins(1);
        let at = |now| Known { now, attempts: &attempts }.collect(day, &[gaps("a", &[1])]);
        assert_eq!(at(ended_at), Some(Step::Wait { until: ended_at + minute }));
        assert_eq!(at(ended_at + minute), Some(Step::Start { task, has_failed: true }));
        assert_eq!(Known { now: ended_at, attempts: &attempts }.collect(day, &[]), None);
        let from_the_future = MetricGaps { changed_at: ended_at + minute * 60, ..gaps("a", &[1]) };
        let step = Known { now: ended_at, attempts: &attempts }.collect(day, &[from_the_future]);
        assert_eq!(step, Some(Step::Wait { until: ended_at + minute }));
    }
}
