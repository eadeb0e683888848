//! How long this process took to answer queries in the last hour, and how many failed. The histogram in `counters.rs` is for
//! Prometheus, which computes such figures itself; these are for those who ask Daymark.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// How many minutes are remembered, the current one included.
const WINDOW_MINUTES: u64 = 60;
/// The upper bound of the first bucket.
const FIRST_BOUND_SECONDS: f64 = 0.000_5;
/// Buckets for each doubling of the time: a quantile is at most 19 % too high or too low.
const BUCKETS_PER_DOUBLING: f64 = 4.0;
/// The last bucket begins at 66 s, which is longer than a request may take by default.
const BUCKETS: usize = 70;

/// The answers of the last hour.
#[derive(Debug)]
pub struct QueryWindow {
    started: Instant,
    minutes: Mutex<VecDeque<Minute>>,
}

/// The answers that ended in one minute.
#[derive(Debug)]
struct Minute {
    /// Counted from the start of the process.
    number: u64,
    answered: u64,
    failed: u64,
    seconds: f64,
    buckets: [u32; BUCKETS],
}

/// A summary of the last hour. Times are of all answers, those from a cache and those that failed included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QueryTimes {
    pub answered: u64,
    /// Those of them with a status of 500 or more.
    pub failed: u64,
    pub average_seconds: f64,
    pub p95_seconds: f64,
}

impl Default for QueryWindow {
    fn default() -> Self {
        Self { started: Instant::now(), minutes: Mutex::default() }
    }
}

impl QueryWindow {
    pub fn record(&self, duration: Duration, has_failed: bool) {
        self.record_in(self.minute(), duration, has_failed);
    }

    /// `None` when nothing was answered in the last hour.
    pub fn summary(&self) -> Option<QueryTimes> {
        self.summary_in(self.minute())
    }

    fn minute(&self) -> u64 {
        self.started.elapsed().as_secs() / 60
    }

    fn record_in(&self, number: u64, duration: Duration, has_failed: bool) {
        let mut minutes = self.minutes.lock();
        if minutes.back().is_none_or(|last| last.number < number) {
            minutes.retain(|minute| minute.number + WINDOW_MINUTES > number);
            minutes.push_back(Minute::new(number));
        }
        if let Some(minute) = minutes.back_mut() {
            minute.answered += 1;
            minute.failed += u64::from(has_failed);
            minute.seconds += duration.as_secs_f64();
            minute.buckets[bucket(duration)] += 1;
        }
    }

    fn summary_in(&self, number: u64) -> Option<QueryTimes> {
        let minutes = self.minutes.lock();
        let recent = || minutes.iter().filter(|minute| minute.number + WINDOW_MINUTES > number);
        let answered: u64 = recent().map(|minute| minute.answered).sum();
        if answered == 0 {
            return None;
        }
        let mut buckets = [0_u64; BUCKETS];
        for minute in recent() {
            buckets.iter_mut().zip(minute.buckets).for_each(|(sum, count)| *sum += u64::from(count));
        }
        Some(QueryTimes {
            answered,
            failed: recent().map(|minute| minute.failed).sum(),
            average_seconds: recent().map(|minute| minute.seconds).sum::<f64>() / answered as f64,
            p95_seconds: p95(&buckets, answered),
        })
    }
}

impl Minute {
    fn new(number: u64) -> Self {
        Self { number, answered: 0, failed: 0, seconds: 0.0, buckets: [0; BUCKETS] }
    }
}

fn bucket(duration: Duration) -> usize {
    let doublings = (duration.as_secs_f64() / FIRST_BOUND_SECONDS).log2();
    // A negative number becomes 0.
    ((doublings * BUCKETS_PER_DOUBLING).ceil() as usize).min(BUCKETS - 1)
}

/// The upper bound of a bucket, in seconds.
fn bound(bucket: usize) -> f64 {
    FIRST_BOUND_SECONDS * 2_f64.powf(bucket as f64 / BUCKETS_PER_DOUBLING)
}

/// The 95th percentile, interpolated within its bucket.
fn p95(buckets: &[u64], answered: u64) -> f64 {
    let rank = answered as f64 * 0.95;
    let mut below = 0.0;
    for (place, count) in buckets.iter().enumerate() {
        let count = *count as f64;
        if count > 0.0 && below + count >= rank {
            let lower = if place == 0 { 0.0 } else { bound(place - 1) };
            return lower + (bound(place) - lower) * (rank - below) / count;
        }
        below += count;
    }
    bound(BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_summary_has_the_average_and_the_95th_percentile() {
        let window = QueryWindow::default();
        assert_eq!(window.summary(), None);
        for n in 1..=1000 {
            window.record_in(0, ms(n), n % 100 == 0);
        }
        let times = window.summary_in(0).unwrap();
        assert_eq!((times.answered, times.failed), (1000, 10));
        assert!((times.average_seconds - 0.5005).abs() < 1e-9, "{times:?}");
        assert!((times.p95_seconds - 0.95).abs() < 0.95 * 0.05, "{times:?}");
    }

    #[test]
    fn answers_are_forgotten_after_an_hour() {
        let window = QueryWindow::default();
        window.record_in(0, ms(900), true);
        window.record_in(30, ms(2), false);
        assert_eq!(window.summary_in(59).unwrap().failed, 1);
        let later = window.summary_in(60).unwrap();
        assert_eq!((later.answered, later.failed), (1, 0));
        assert!(later.p95_seconds < 0.003, "{later:?}");
        assert_eq!(window.summary_in(90), None);
        window.record_in(200, ms(2), false);
        assert_eq!(window.minutes.lock().len(), 1, "old minutes take no memory");
    }

    #[test]
    fn the_shortest_and_the_longest_times_have_a_bucket() {
        assert_eq!(bucket(Duration::ZERO), 0);
        assert_eq!(bucket(Duration::from_secs(100_000)), BUCKETS - 1);
        for duration in [ms(1), ms(100), ms(200), ms(60_000)] {
            let place = bucket(duration);
            assert!(duration.as_secs_f64() <= bound(place) * 1.000_001);
            assert!(duration.as_secs_f64() > bound(place - 1) * 0.999_999);
        }
    }
}
