//! Throttling of log messages that would otherwise be written with every request while a fault lasts.

use std::{sync::LazyLock, time::Instant};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

const INTERVAL: SignedDuration = SignedDuration::from_secs(10);

/// Lets one kind of message through at most every ten seconds.
#[derive(Debug, Default)]
pub struct LogThrottle(Mutex<ThrottleState>);

#[derive(Debug, Default)]
struct ThrottleState {
    written_at: Option<Timestamp>,
    left_out: u64,
}

impl LogThrottle {
    pub const fn new() -> Self {
        Self(Mutex::new(ThrottleState { written_at: None, left_out: 0 }))
    }

    /// The same as [`LogThrottle::allow`], by a monotonic clock: for callers that have no other.
    pub fn allow_now(&self) -> Option<u64> {
        self.allow(monotonic_now())
    }

    /// Returns how many messages were suppressed since the last one, if this one may be written; otherwise `None`, and
    /// this one is counted as suppressed.
    pub fn allow(&self, now: Timestamp) -> Option<u64> {
        let mut state = self.0.lock();
        let elapsed = state.written_at.map(|at| now.duration_since(at));
        // A clock that was set back must not suppress messages until it catches up.
        if elapsed.is_some_and(|elapsed| elapsed < INTERVAL && !elapsed.is_negative()) {
            state.left_out += 1;
            return None;
        }
        state.written_at = Some(now);
        Some(std::mem::take(&mut state.left_out))
    }
}

/// The time since the first call, as an instant after 1970. It is monotonic: setting the machine's clock does not change it.
pub(super) fn monotonic_now() -> Timestamp {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let elapsed = SignedDuration::try_from(START.elapsed()).unwrap_or(SignedDuration::MAX);
    Timestamp::UNIX_EPOCH.checked_add(elapsed).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suppressed_messages_are_counted() {
        let message = LogThrottle::new();
        let allow = |second| message.allow(Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second));
        assert_eq!([100, 101, 109, 110, 111, 150].map(allow), [Some(0), None, None, Some(2), None, Some(1)]);
        assert_eq!([50, 55].map(allow), [Some(0), None], "the clock was set back");
    }
}
