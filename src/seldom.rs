//! Messages that would otherwise be written with every request for as long as something is out of order.

use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

const INTERVAL: SignedDuration = SignedDuration::from_secs(10);

/// One sort of message, written every ten seconds at most.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    written_at: Option<Timestamp>,
    left_out: u64,
}

impl Seldom {
    pub const fn new() -> Self {
        Self(Mutex::new(State { written_at: None, left_out: 0 }))
    }

    /// Whether the message is to be written now: if so, how many were left out since it was written last.
    pub fn due(&self, now: Timestamp) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = state.written_at.map(|at| now.duration_since(at));
        // A clock that was set back must not silence anybody.
        if elapsed.is_some_and(|elapsed| elapsed < INTERVAL && !elapsed.is_negative()) {
            state.left_out += 1;
            return None;
        }
        state.written_at = Some(now);
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_counted() {
        let message = Seldom::new();
        let due = |second| message.due(Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second));
        assert_eq!([100, 101, 109, 110, 111, 150].map(due), [Some(0), None, None, Some(2), None, Some(1)]);
        assert_eq!([50, 55].map(due), [Some(0), None], "the clock was set back");
    }
}
