//! The only source of the current time. All code that needs it receives a [`Clock`], which tests can set.

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

/// Returns the current instant.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;

    /// Whether the time is made up, so that it may be long before that of a database's server.
    fn is_simulated(&self) -> bool {
        false
    }
}

/// Whether `interval` has passed since `since`. If the clock was set back to before `since`, the interval counts as
/// passed, so that nothing waits until the clock catches up.
pub fn has_passed(since: Timestamp, interval: SignedDuration, now: Timestamp) -> bool {
    let elapsed = now.duration_since(since);
    elapsed >= interval || elapsed.is_negative()
}

/// The clock of the operating system.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the only source of the current time")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that does not advance until it is set, for tests and for the simulated days of `daymark demo`.
#[derive(Debug)]
pub struct SetClock(Mutex<Timestamp>);

impl SetClock {
    pub fn at(now: Timestamp) -> Self {
        Self(Mutex::new(now))
    }

    pub fn set(&self, now: Timestamp) {
        *self.0.lock() = now;
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        *self.0.lock()
    }

    fn is_simulated(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_has_passed_when_the_clock_was_set_back() {
        let at = |second| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second);
        let passed = |now| has_passed(at(100), SignedDuration::from_secs(10), at(now));
        assert_eq!([99, 100, 109, 110].map(passed), [true, false, false, true]);
    }
}
