//! The requests for data of this process, how many of them failed, and whether those are too many.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use super::evaluation::Evaluation::{self, Clear, Holds, NoData};
use crate::metric::Decimal;

/// The time over which errors are counted.
const WINDOW: SignedDuration = SignedDuration::from_mins(5);
/// The least number of requests by which a percentage of errors is judged.
const MIN_REQUESTS: u64 = 20;
/// How often a sample is kept.
const SAMPLE_INTERVAL: SignedDuration = SignedDuration::from_secs(30);
/// Without a sample for longer than this, the process was suspended or waited for a store that did not answer: what it counted
/// meanwhile cannot be assigned to the last minutes.
const MAX_PAUSE: SignedDuration = SignedDuration::from_secs(60);
/// The most samples that are kept, which reach back for a day.
const MAX_SAMPLES: usize = 2880;

/// Requests, and how many of them failed.
pub type Counted = (u64, u64);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestCounts {
    /// Those of the last 5 minutes.
    pub recent: Counted,
    /// The last 20 or a few more, however long ago the first of them was; fewer where there were no more.
    pub latest: Counted,
}

/// Whether more than `percent` of the requests of the last 5 minutes failed. If these are fewer than the minimum, the last 20
/// requests decide whether the alert ends; they never begin one.
pub fn query_errors(percent: &Decimal, counts: &RequestCounts) -> Evaluation {
    if counts.recent.0 >= MIN_REQUESTS {
        return match exceeds(percent, counts.recent) {
            true => Holds(format!("more than {percent} % of the requests for data failed within 5 minutes")),
            false => Clear("requests are answered".to_owned()),
        };
    }
    match counts.latest.0 >= MIN_REQUESTS && !exceeds(percent, counts.latest) {
        true => Clear("the last requests were answered".to_owned()),
        false => NoData("too few requests to judge by".to_owned()),
    }
}

fn exceeds(percent: &Decimal, (requests, failed): Counted) -> bool {
    let [requests, failed] =
        [requests, failed].map(|count| Decimal::from(i64::try_from(count).unwrap_or(i64::MAX)));
    &failed * &Decimal::from(100) > percent * &requests
}

/// Samples of two counters that only grow.
#[derive(Debug, Default)]
pub struct QueryErrors {
    /// Time, requests and failures, oldest first.
    samples: VecDeque<(Timestamp, u64, u64)>,
}

impl QueryErrors {
    /// Notes the counters, and returns the counts until now. It must be called more often than every minute.
    pub fn sample(&mut self, now: Timestamp, requests: u64, failed: u64) -> RequestCounts {
        let elapsed = self.samples.back().map(|(at, ..)| now.duration_since(*at));
        // A clock that was set back begins a new window, too.
        if elapsed.is_some_and(|elapsed| elapsed.is_negative() || elapsed > MAX_PAUSE) {
            self.samples.clear();
        }
        if self.samples.is_empty() || elapsed.is_some_and(|elapsed| elapsed >= SAMPLE_INTERVAL) {
            self.samples.push_back((now, requests, failed));
        }
        // A sample before the one at which the last requests begin is not needed any more, once it is older than the window.
        let is_needed = |(at, before, _): &(Timestamp, u64, u64)| {
            now.duration_since(*at) < WINDOW || requests.saturating_sub(*before) < MIN_REQUESTS
        };
        while self.samples.len() > MAX_SAMPLES || self.samples.get(1).is_some_and(|next| !is_needed(next)) {
            self.samples.pop_front();
        }
        let since = |sample: Option<&(Timestamp, u64, u64)>| {
            let (_, first_requests, first_failed) = sample.copied().unwrap_or((now, requests, failed));
            (requests.saturating_sub(first_requests), failed.saturating_sub(first_failed))
        };
        // The newest sample that is at least as old as the window is where the window begins.
        let begin = self.samples.iter().rev().find(|(at, ..)| now.duration_since(*at) >= WINDOW);
        let enough =
            self.samples.iter().rev().find(|(_, before, _)| requests.saturating_sub(*before) >= MIN_REQUESTS);
        let first = self.samples.front();
        RequestCounts { recent: since(begin.or(first)), latest: since(enough.or(first)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute)
    }

    /// The counters of a process that samples them every half a minute.
    #[derive(Default)]
    struct Process {
        errors: QueryErrors,
        at: Timestamp,
        counted: Counted,
    }

    impl Process {
        /// The counts at a minute, by which the counters have just grown to these numbers.
        fn counts(&mut self, minute: i64, requests: u64, failed: u64) -> RequestCounts {
            while self.at < at(minute) {
                self.errors.sample(self.at, self.counted.0, self.counted.1);
                self.at += SAMPLE_INTERVAL;
            }
            (self.at, self.counted) = (at(minute), (requests, failed));
            self.errors.sample(self.at, requests, failed)
        }
    }

    #[test]
    fn only_the_last_minutes_count() {
        let mut process = Process { counted: (100, 7), ..Process::default() };
        let mut recent = |minute, requests, failed| process.counts(minute, requests, failed).recent;
        assert_eq!(recent(0, 100, 7), (0, 0), "what was before the first look is unknown");
        assert_eq!(recent(1, 150, 9), (50, 2));
        assert_eq!(recent(5, 160, 9), (60, 2));
        assert_eq!(recent(6, 160, 9), (10, 0));
        assert_eq!(recent(30, 160, 9), (0, 0));
        assert_eq!(recent(10, 170, 19), (0, 0), "the clock was set back");
    }

    #[test]
    fn what_was_counted_without_samples_is_not_of_the_last_minutes() {
        let mut errors = QueryErrors::default();
        assert_eq!(errors.sample(at(0), 100, 0), RequestCounts::default());
        let after_hours = errors.sample(at(360), 5000, 4800);
        assert_eq!(after_hours, RequestCounts::default(), "these requests failed at any time of six hours");
        assert_eq!(errors.sample(at(361), 5100, 4800).recent, (100, 0));
    }

    #[test]
    fn samples_reach_back_for_a_day() {
        let mut errors = QueryErrors::default();
        for second in 0..2 * 86_400 {
            let now = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second);
            errors.sample(now, u64::try_from(second).unwrap() / 7200, 0);
        }
        assert!(errors.samples.len() <= MAX_SAMPLES, "{}", errors.samples.len());
        let (oldest, ..) = errors.samples.front().unwrap();
        assert!(at(2 * 24 * 60).duration_since(*oldest) >= SignedDuration::from_hours(23), "{oldest}");
    }

    #[test]
    fn a_few_requests_neither_begin_an_alert_nor_end_it() {
        let mut process = Process::default();
        let limit = Decimal::from(5);
        let mut found = |minute, requests, failed| match query_errors(
            &limit,
            &process.counts(minute, requests, failed),
        ) {
            Holds(_) => "holds",
            Clear(_) => "clear",
            _ => "unknown",
        };
        assert_eq!(found(0, 0, 0), "unknown");
        assert_eq!(found(1, 19, 19), "unknown", "19 requests are too few");
        assert_eq!(found(2, 20, 20), "holds");
        assert_eq!(found(3, 40, 40), "holds");
        assert_eq!(found(12, 50, 40), "unknown", "10 answered requests do not make up for it");
        assert_eq!(found(60, 59, 40), "unknown");
        assert_eq!(found(120, 60, 40), "clear", "the last 20 were answered");
        assert_eq!(found(121, 160, 45), "clear", "5 of 101");
        assert_eq!(found(122, 160, 46), "holds", "6 of 101");
        assert_eq!(found(200, 165, 51), "unknown", "5 failures of 5 requests are too few to begin it");
    }
}
