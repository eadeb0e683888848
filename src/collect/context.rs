//! What every run needs: the clock, the calendar, both databases and the limits.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date};

use super::CollectError;
use crate::{
    clock::Clock,
    database::{Fault, RetryPolicy},
    metric::{Calendar, DayBounds},
    platform::Platform,
    store::Store,
};

/// No record is of a day before this one.
pub(super) const FIRST_DAY: Date = jiff::civil::date(1900, 1, 1);

/// Cheap to clone; one serves any number of runs.
#[derive(Clone)]
pub struct Context {
    pub clock: Arc<dyn Clock>,
    pub calendar: Calendar,
    /// How long after its end a day is given to late commits.
    pub settle: SignedDuration,
    pub store: Arc<dyn Store>,
    pub platform: Arc<dyn Platform>,
    /// For reading the platform; the store has a policy of its own.
    pub retry: RetryPolicy,
    /// How many days of a backfill are committed at once, at most; at least 1.
    pub chunk_days: usize,
    /// Who runs it, for the message to whoever comes second.
    pub host: String,
    pub process_id: u32,
}

impl Context {
    /// Asks the platform for something, again after a passing failure.
    ///
    /// # Errors
    /// The last attempt's fault, with where the platform is.
    pub async fn on_platform<T, F>(&self, attempt: impl FnMut() -> F) -> Result<T, CollectError>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let outcome = self.retry.run(|fault: &Fault| fault.class.is_transient(), attempt).await;
        outcome.map_err(|fault| CollectError::Platform { location: self.platform.location(), fault })
    }

    /// The latest day that may be recorded now.
    pub fn last_finished(&self) -> Date {
        self.calendar.last_finished(self.clock.now(), self.settle)
    }

    /// The first instant at which `date` may be recorded.
    pub fn ready_at(&self, date: Date) -> Timestamp {
        self.calendar.ready_at(date, self.settle)
    }

    /// The first day after `date` that exists in the reporting zone.
    pub(crate) fn day_after(&self, date: Date) -> Date {
        let mut next = date.saturating_add(1.day());
        while self.calendar.bounds(next).is_none() && next < Date::MAX {
            next = next.saturating_add(1.day());
        }
        next
    }

    /// The bounds of `date` if it has happened and may be recorded.
    pub(super) fn require_finished(&self, date: Date) -> Result<DayBounds, CollectError> {
        self.require_recordable(date)?;
        let never = || CollectError::NeverHappened { date, zone: self.calendar.name().to_owned() };
        self.calendar.bounds(date).ok_or_else(never)
    }

    /// Fails unless `date` may be the end of a range of recorded days.
    ///
    /// # Errors
    /// When it is not finished, or before any day that can be recorded.
    pub fn require_recordable(&self, date: Date) -> Result<(), CollectError> {
        let last_finished = self.last_finished();
        if date > last_finished {
            let ready_at = self.calendar.display(self.ready_at(date));
            return Err(CollectError::Unfinished { date, ready_at, last_finished });
        }
        self.require_recorded_era(date)
    }

    /// Fails when `date` is before any day that can be recorded.
    pub fn require_recorded_era(&self, date: Date) -> Result<(), CollectError> {
        match date < FIRST_DAY {
            true => Err(CollectError::TooEarly { date, first: FIRST_DAY }),
            false => Ok(()),
        }
    }
}
