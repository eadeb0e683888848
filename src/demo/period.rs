//! The days of a demonstration.

use jiff::{SignedDuration, ToSpan, civil::Date};

use crate::{clock::Clock, collect::CollectError, metric::Calendar};

/// The settle delay after the end of a day, for a schedule that collects at 00:15.
pub(super) const SETTLE: SignedDuration = SignedDuration::from_mins(15);

/// The simulated days: dates in UTC, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    pub first: Date,
    pub last: Date,
}

impl Period {
    /// Returns the `days` days that end with `until`, or with the last finished day.
    ///
    /// # Errors
    /// [`CollectError::Unfinished`] when `until` is not finished according to `clock`.
    pub fn ending(until: Option<Date>, days: u16, clock: &dyn Clock) -> Result<Self, CollectError> {
        let calendar = Calendar::utc();
        let last_finished = calendar.last_finished(clock.now(), SETTLE);
        let last = until.unwrap_or(last_finished);
        if last > last_finished {
            let ready_at = calendar.display(calendar.ready_at(last, SETTLE));
            return Err(CollectError::Unfinished { date: last, ready_at, last_finished });
        }
        Ok(Self { first: last.saturating_sub((i64::from(days) - 1).days()), last })
    }
}
