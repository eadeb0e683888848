//! When an outage is logged: at its beginning, more and more rarely while it lasts, and at its end.

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use super::log_throttle::monotonic_now;

/// How long after its first message an outage is logged again. It doubles each time, up to [`MAX_INTERVAL`].
const FIRST_INTERVAL: SignedDuration = SignedDuration::from_secs(10);
const MAX_INTERVAL: SignedDuration = SignedDuration::from_mins(10);

/// The messages about one thing that is tried again and again.
#[derive(Debug, Default)]
pub struct OutageLog(Mutex<Option<Outage>>);

#[derive(Debug)]
struct Outage {
    began_at: Timestamp,
    written_at: Timestamp,
    failed_at: Timestamp,
    interval: SignedDuration,
    left_out: u64,
}

impl OutageLog {
    pub const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// After a failure: how many messages were suppressed since the last one, if this one is to be written.
    pub fn failed(&self, now: Timestamp) -> Option<u64> {
        let mut outage = self.0.lock();
        // An outage also ends when nothing has failed for ten minutes, because some callers never call `ended`.
        let is_other = |outage: &Outage| now.duration_since(outage.failed_at) > MAX_INTERVAL;
        let Some(outage) = outage.as_mut().filter(|outage| !is_other(outage)) else {
            let begun = Outage {
                began_at: now,
                written_at: now,
                failed_at: now,
                interval: FIRST_INTERVAL,
                left_out: 0,
            };
            *outage = Some(begun);
            return Some(0);
        };
        outage.failed_at = now;
        let elapsed = now.duration_since(outage.written_at);
        // A clock that was set back must not suppress messages until it catches up.
        if elapsed < outage.interval && !elapsed.is_negative() {
            outage.left_out += 1;
            return None;
        }
        outage.written_at = now;
        outage.interval = (outage.interval * 2).min(MAX_INTERVAL);
        Some(std::mem::take(&mut outage.left_out))
    }

    /// The same as [`OutageLog::failed`], by a monotonic clock: for callers that have no other.
    pub fn failed_now(&self) -> Option<u64> {
        self.failed(monotonic_now())
    }

    /// After a success: how long the outage lasted that it ends, in whole seconds.
    pub fn ended(&self, now: Timestamp) -> Option<SignedDuration> {
        let outage = self.0.lock().take()?;
        Some(SignedDuration::from_secs(now.duration_since(outage.began_at).as_secs().max(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
    }

    #[test]
    fn an_outage_is_logged_more_and_more_rarely_and_its_end_once() {
        let log = OutageLog::default();
        let written = |seconds: std::ops::Range<i64>| -> Vec<i64> {
            seconds.filter(|second| log.failed(at(*second)).is_some()).collect()
        };
        assert_eq!(log.ended(at(0)), None, "nothing has failed");
        assert_eq!(written(1..200), [1, 11, 31, 71, 151]);
        assert_eq!(log.failed(at(311)), Some(48), "those from 152 to 199");
        assert!(written(312..7200).len() < 20, "at most every ten minutes");
        assert_eq!(log.ended(at(7201)), Some(SignedDuration::from_secs(7200)));
        assert_eq!(log.ended(at(7202)), None);
        assert_eq!(log.failed(at(7203)), Some(0), "the next outage is another one");
        assert_eq!(log.failed(at(7204)), None);
        assert_eq!(log.failed(at(7805)), Some(0), "and so is one after ten minutes without a failure");
    }
}
