//! Decides the next steps: a pure function of the state.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date};

use super::attempts::{Attempt, ends_of};
use crate::{
    collect::{MetricGaps, next_attempt, next_collection_attempt},
    jobs::Task,
};

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

/// The state at one look at the store.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    pub now: Timestamp,
    /// Newest first.
    pub attempts: &'a [Attempt],
}

impl Known<'_> {
    /// The collection of `date`, which lacks `missing`; `None` when nothing is missing. There is an attempt shortly before
    /// `observed_until` ([`next_collection_attempt`]).
    pub fn collect(&self, date: Date, missing: &[MetricGaps], observed_until: Timestamp) -> Option<Step> {
        let changed_at = missing.iter().map(|metric| metric.changed_at).max()?;
        let task = Task::Collect { date, metrics: Vec::new() };
        let ends = ends_of(self.attempts, &task);
        let next = next_collection_attempt(&ends, changed_at, observed_until, self.now);
        Some(self.step(task, next))
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
            let task = Task::Backfill { from: Some(first), to: Some(last), metrics: names };
            let next = next_attempt(&ends_of(self.attempts, &task), changed_at, self.now);
            Some(self.step(task, next))
        };
        ranges.into_iter().filter_map(step).collect()
    }

    fn step(&self, task: Task, next_attempt: Option<Timestamp>) -> Step {
        match next_attempt {
            Some(until) if self.now < until => Step::Wait { until },
            attempt => Step::Start { task, has_failed: attempt.is_some() },
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, civil::date};

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
        let minute = SignedDuration::from_mins(1);
        let until = Timestamp::MAX;
        let at = |now| Known { now, attempts: &attempts }.collect(day, &[gaps("a", &[1])], until);
        assert_eq!(at(ended_at), Some(Step::Wait { until: ended_at + minute }));
        assert_eq!(at(ended_at + minute), Some(Step::Start { task, has_failed: true }));
        assert_eq!(Known { now: ended_at, attempts: &attempts }.collect(day, &[], until), None);
        let from_the_future = MetricGaps { changed_at: ended_at + minute * 60, ..gaps("a", &[1]) };
        let step = Known { now: ended_at, attempts: &attempts }.collect(day, &[from_the_future], until);
        assert_eq!(step, Some(Step::Wait { until: ended_at + minute }));
    }

    #[test]
    fn a_day_is_tried_once_more_while_it_can_be_observed() {
        let (day, ended_at) = (date(2025, 1, 1), "2025-01-02T02:45:00Z".parse::<Timestamp>().unwrap());
        let task = Task::Collect { date: day, metrics: Vec::new() };
        let partial = |ended_at| Attempt { task: task.clone(), status: JobStatus::Partial, ended_at };
        // The third attempt in a row: the next one by the pauses is 200 minutes later, at 06:05.
        let mut attempts = vec![partial(ended_at); 3];
        let observed_until = "2025-01-02T06:00:00Z".parse::<Timestamp>().unwrap();
        let last_chance = observed_until - SignedDuration::from_mins(15);
        let at = |attempts: &[Attempt], now| {
            Known { now, attempts }.collect(day, &[gaps("a", &[1])], observed_until)
        };
        assert_eq!(at(&attempts, ended_at), Some(Step::Wait { until: last_chance }));
        let start = Step::Start { task: task.clone(), has_failed: true };
        assert_eq!(at(&attempts, last_chance), Some(start));
        attempts.insert(0, partial(last_chance));
        let regular = last_chance + SignedDuration::from_mins(400);
        assert_eq!(
            at(&attempts, last_chance),
            Some(Step::Wait { until: regular }),
            "there is one last chance"
        );
        attempts.remove(0);
        let by_pauses = ended_at + SignedDuration::from_mins(200);
        assert_eq!(at(&attempts, observed_until), Some(Step::Wait { until: by_pauses }), "it is too late");
    }
}
