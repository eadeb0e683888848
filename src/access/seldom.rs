//! Messages that would otherwise be written with every request for as long as something is out of order.

use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

const INTERVAL: SignedDuration = SignedDuration::from_secs(10);

/// One sort of message, written every ten seconds at most.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<Option<Timestamp>>);

impl Seldom {
    /// Whether the message is to be written now.
    pub fn is_due(&self, now: Timestamp) -> bool {
        let mut written_at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = written_at.is_none_or(|at| now.duration_since(at) >= INTERVAL);
        if is_due {
            *written_at = Some(now);
        }
        is_due
    }
}
