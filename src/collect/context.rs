//! What every run needs, in two parts: what belongs to the process, and what belongs to the tenant whose days it
//! records. A process that serves several tenants has one [`Installation`] and a [`Context`] for each of them.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date};

use super::CollectError;
use crate::{
    clock::Clock,
    database::{Deadline, Fault, RetryPolicy},
    metric::{Calendar, DayBounds},
    platform::Platform,
    store::{Store, Trigger},
};

/// No record is of a day before this one.
pub(super) const FIRST_DAY: Date = jiff::civil::date(1900, 1, 1);

/// What belongs to the process, whichever tenant a run is for.
#[derive(Clone)]
pub struct Installation {
    pub clock: Arc<dyn Clock>,
    /// For reading the platform; the store has a policy of its own.
    pub retry: RetryPolicy,
    /// How many days of a backfill are committed at once, at most; at least 1.
    pub chunk_days: usize,
    /// How long a run may read the platform; `None`: without a limit.
    pub run_limit: Option<Duration>,
    /// How long a run waits for a platform that lags behind.
    pub freshness_wait: Duration,
    /// The name of this machine, as it stands in the collection log.
    pub host: String,
    pub process_id: u32,
}

/// What belongs to a tenant: its days and its two databases.
#[derive(Clone)]
pub struct Tenant {
    pub name: String,
    pub calendar: Calendar,
    /// How long after its end a day is given to late commits.
    pub settle: SignedDuration,
    /// How long after its end a day can be recorded as `observed`; later it is `reconstructed`.
    pub observed_within: SignedDuration,
    /// This tenant's part of the store.
    pub store: Arc<dyn Store>,
    pub platform: Arc<dyn Platform>,
}

/// Why and for whom runs are started; both stand in the collection log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initiator {
    pub trigger: Trigger,
    /// `cli:<system user>`, the subject of a principal (`key:<id>`, `user:<sub>`), or `system`: 1 to
    /// 200 characters.
    pub actor: String,
}

/// The longest name of an actor that the store takes.
const MAX_ACTOR_CHARS: usize = 200;

impl Initiator {
    /// With as much of `actor` as the store takes.
    pub fn new(trigger: Trigger, actor: &str) -> Self {
        let actor = if actor.is_empty() { "system" } else { actor };
        Self { trigger, actor: actor.chars().take(MAX_ACTOR_CHARS).collect() }
    }
}

/// A tenant within an installation, as one initiator uses it. Cheap to clone; one serves any number of runs.
#[derive(Clone)]
pub struct Context {
    pub installation: Arc<Installation>,
    pub tenant: Arc<Tenant>,
    pub initiator: Arc<Initiator>,
}

impl Context {
    pub fn new(installation: Installation, tenant: Tenant, initiator: Initiator) -> Self {
        Self {
            installation: Arc::new(installation),
            tenant: Arc::new(tenant),
            initiator: Arc::new(initiator),
        }
    }

    /// The same for runs of another initiator.
    pub fn started_by(&self, trigger: Trigger, actor: &str) -> Self {
        Self { initiator: Arc::new(Initiator::new(trigger, actor)), ..self.clone() }
    }

    /// Asks the platform for something, again after a passing failure.
    ///
    /// # Errors
    /// The last attempt's fault, with where the platform is.
    pub async fn on_platform<T, F>(&self, attempt: impl FnMut() -> F) -> Result<T, CollectError>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let outcome = self.installation.retry.run(|fault: &Fault| fault.class.is_transient(), attempt).await;
        outcome.map_err(|fault| CollectError::Platform { location: self.tenant.platform.location(), fault })
    }

    pub fn now(&self) -> Timestamp {
        self.installation.clock.now()
    }

    /// When a run that starts now must have read the platform.
    pub fn deadline(&self) -> Deadline {
        self.installation.run_limit.map_or_else(Deadline::none, Deadline::after)
    }

    /// The latest day that may be recorded now.
    pub fn last_finished(&self) -> Date {
        self.tenant.calendar.last_finished(self.now(), self.tenant.settle)
    }

    /// The day that a cut opened at `now` observes: the last finished one, unless it ended too long ago.
    pub fn observable(&self, now: Timestamp) -> Option<Date> {
        let date = self.tenant.calendar.last_finished(now, self.tenant.settle);
        let ends = self.tenant.calendar.bounds(date)?.end;
        (now.duration_since(ends) <= self.tenant.observed_within).then_some(date)
    }

    /// The first instant at which `date` may be recorded.
    pub fn ready_at(&self, date: Date) -> Timestamp {
        self.tenant.calendar.ready_at(date, self.tenant.settle)
    }

    /// The first day after `date` that exists in the reporting zone.
    pub(crate) fn day_after(&self, date: Date) -> Date {
        let mut next = date.saturating_add(1.day());
        while self.tenant.calendar.bounds(next).is_none() && next < Date::MAX {
            next = next.saturating_add(1.day());
        }
        next
    }

    /// The bounds of `date` if it has happened and may be recorded.
    pub(super) fn require_finished(&self, date: Date) -> Result<DayBounds, CollectError> {
        self.require_recordable(date)?;
        let never = || CollectError::NeverHappened { date, zone: self.tenant.calendar.name().to_owned() };
        self.tenant.calendar.bounds(date).ok_or_else(never)
    }

    /// Fails unless `date` may be the end of a range of recorded days.
    ///
    /// # Errors
    /// When it is not finished, or before any day that can be recorded.
    pub fn require_recordable(&self, date: Date) -> Result<(), CollectError> {
        let last_finished = self.last_finished();
        if date > last_finished {
            let ready_at = self.tenant.calendar.display(self.ready_at(date));
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
