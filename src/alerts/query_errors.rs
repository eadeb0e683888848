//! The requests for data of this process within the last minutes, and how many of them failed.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

/// The time over which errors are counted.
const WINDOW: SignedDuration = SignedDuration::from_mins(5);

/// Samples of two counters that only grow.
#[derive(Debug, Default)]
pub struct QueryErrors {
    /// Time, requests and failures, oldest first.
    samples: VecDeque<(Timestamp, u64, u64)>,
}

impl QueryErrors {
    /// Adds a sample, and returns requests and failures of the last 5 minutes.
    pub fn sample(&mut self, now: Timestamp, requests: u64, failed: u64) -> (u64, u64) {
        // A clock that was set back begins a new window.
        if self.samples.back().is_some_and(|(at, ..)| *at > now) {
            self.samples.clear();
        }
        self.samples.push_back((now, requests, failed));
        // The newest sample that is at least as old as the window is where the window begins.
        while self.samples.get(1).is_some_and(|(at, ..)| now.duration_since(*at) >= WINDOW) {
            self.samples.pop_front();
        }
        let (_, first_requests, first_failed) = self.samples.front().copied().unwrap_or_default();
        (requests.saturating_sub(first_requests), failed.saturating_sub(first_failed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_minutes_count() {
        let mut errors = QueryErrors::default();
        let at = |minute| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute);
        assert_eq!(errors.sample(at(0), 100, 7), (0, 0), "what was before the first look is unknown");
        assert_eq!(errors.sample(at(1), 150, 9), (50, 2));
        assert_eq!(errors.sample(at(5), 160, 9), (60, 2));
        assert_eq!(errors.sample(at(6), 160, 9), (10, 0));
        assert_eq!(errors.sample(at(30), 160, 9), (0, 0));
        assert_eq!(errors.sample(at(10), 170, 19), (0, 0), "the clock was set back");
    }
}
