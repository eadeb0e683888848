//! The context of every run: the resources of the process ([`Installation`]), and those of the tenant whose days are
//! recorded ([`Tenant`]). A process that serves several tenants has one [`Installation`] and one [`Context`] for each
//! tenant.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp, civil::Date};

use super::{CollectError, DueTimes, remembered_first_row::RememberedFirstRow};
use crate::{
    clock::{Clock, SetClock},
    database::{Deadline, Fault, LimitSource, RetryPolicy, TimeLimit},
    metric::{Calendar, CronSchedule, DayBounds, DerivedMetric},
    platform::Platform,
    store::{Store, Trigger},
};

/// The first day that can be recorded.
pub const FIRST_DAY: Date = jiff::civil::date(1900, 1, 1);

/// The resources and settings of the process, which are the same for all tenants.
#[derive(Clone)]
pub struct Installation {
    pub clock: Arc<dyn Clock>,
    /// The retry policy for reading the platform; the store has a policy of its own.
    pub retry: RetryPolicy,
    /// The most days of a backfill that are committed at once; at least 1.
    pub chunk_days: usize,
    /// How long a run may read the platform; `None` means without a limit.
    pub run_limit: Option<TimeLimit>,
    /// How long a run waits for a platform that lags behind, before it fails.
    pub freshness_wait: Duration,
    /// The name of this machine, which is written to the collection log.
    pub host: String,
    pub process_id: u32,
}

static RUN: LimitSource = LimitSource {
    set_by: "`collect.deadline_minutes`",
    advice: "raise `collect.deadline_minutes`, or find with `daymark plan` which statement takes so long",
};

/// The limit that `collect.deadline_minutes` sets.
pub fn run_limit(duration: Duration) -> TimeLimit {
    TimeLimit { duration, source: &RUN }
}

/// The calendar and the two databases of a tenant.
#[derive(Clone)]
pub struct Tenant {
    pub name: String,
    pub calendar: Calendar,
    /// How long after its end a day is not recorded yet, to wait for late commits.
    pub settle: SignedDuration,
    /// When days are collected; `None`: each as soon as it has settled.
    pub cron: Option<CronSchedule>,
    /// How long after its end a day can be recorded as `observed`; after that it is `reconstructed`.
    pub observed_within: SignedDuration,
    /// The store, limited to this tenant.
    pub store: Arc<dyn Store>,
    pub platform: Arc<dyn Platform>,
    pub first_row: Arc<RememberedFirstRow>,
    /// The metrics that are computed when they are read. They have no records.
    pub derived: Arc<[DerivedMetric]>,
}

/// The trigger and the actor of a run; both are written to the collection log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initiator {
    pub trigger: Trigger,
    /// `cli:<system user>`, the subject of a principal (`key:<id>`, `user:<sub>`), or `system`; 1 to 200 characters.
    pub actor: String,
}

/// The longest name of an actor that the store accepts.
const MAX_ACTOR_CHARS: usize = 200;

impl Initiator {
    /// Cuts `actor` to the length that the store accepts; an empty one becomes `system`.
    pub fn new(trigger: Trigger, actor: &str) -> Self {
        let actor = if actor.is_empty() { "system" } else { actor };
        Self { trigger, actor: actor.chars().take(MAX_ACTOR_CHARS).collect() }
    }
}

/// A tenant within an installation, as one initiator uses it. It is cheap to clone and serves any number of runs.
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

    /// Returns the same context for runs of another initiator.
    pub fn started_by(&self, trigger: Trigger, actor: &str) -> Self {
        Self { initiator: Arc::new(Initiator::new(trigger, actor)), ..self.clone() }
    }

    /// Returns the same context at an earlier instant, for questions about what was known then.
    pub fn at(&self, instant: Timestamp) -> Self {
        let clock = Arc::new(SetClock::at(instant));
        let installation = Installation { clock, ..(*self.installation).clone() };
        Self { installation: Arc::new(installation), ..self.clone() }
    }

    /// Runs an operation on the platform, and retries it after transient faults.
    ///
    /// # Errors
    /// The fault of the last attempt, with the location of the platform.
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

    /// The time by which a run that starts now must have read the platform.
    pub fn deadline(&self) -> Deadline {
        self.installation.run_limit.map_or_else(Deadline::none, Deadline::of)
    }

    /// The latest day that may be recorded now, in the reporting time zone.
    pub fn last_finished(&self) -> Date {
        self.tenant.calendar.last_finished(self.now(), self.tenant.settle)
    }

    /// The day that a cut opened at `now` observes: the last finished one, unless it ended more than `observed_within`
    /// ago.
    pub fn observable(&self, now: Timestamp) -> Option<Date> {
        let date = self.tenant.calendar.last_finished(now, self.tenant.settle);
        let ends = self.tenant.calendar.bounds(date)?.end;
        (now.duration_since(ends) <= self.tenant.observed_within).then_some(date)
    }

    /// The last instant at which a cut observes `date`.
    pub fn observed_until(&self, date: Date) -> Timestamp {
        let ends = self.tenant.calendar.ready_at(date, SignedDuration::ZERO);
        ends.checked_add(self.tenant.observed_within).unwrap_or(Timestamp::MAX)
    }

    /// The first instant at which `date` may be recorded.
    pub fn ready_at(&self, date: Date) -> Timestamp {
        self.tenant.calendar.ready_at(date, self.tenant.settle)
    }

    /// The times at which days are collected on schedule.
    pub fn due_times(&self) -> DueTimes<'_> {
        let Tenant { calendar, settle, cron, .. } = &*self.tenant;
        DueTimes { calendar, settle: *settle, cron: cron.as_ref() }
    }

    /// The first day after `date` that exists in the reporting time zone.
    pub(crate) fn day_after(&self, date: Date) -> Date {
        self.tenant.calendar.day_after(date)
    }

    /// Returns the bounds of `date`, if it exists in the reporting time zone and may be recorded.
    pub(super) fn require_finished(&self, date: Date) -> Result<DayBounds, CollectError> {
        self.require_recordable(date)?;
        let never = || CollectError::NeverHappened { date, zone: self.tenant.calendar.name().to_owned() };
        self.tenant.calendar.bounds(date).ok_or_else(never)
    }

    /// Fails unless `date` may be the end of a range of recorded days.
    ///
    /// # Errors
    /// When it is not finished, or before [`FIRST_DAY`].
    pub fn require_recordable(&self, date: Date) -> Result<(), CollectError> {
        let last_finished = self.last_finished();
        if date > last_finished {
            let ready_at = self.tenant.calendar.display(self.ready_at(date));
            return Err(CollectError::Unfinished { date, ready_at, last_finished });
        }
        self.require_recorded_era(date)
    }

    /// Fails when `date` is before [`FIRST_DAY`].
    pub fn require_recorded_era(&self, date: Date) -> Result<(), CollectError> {
        match date < FIRST_DAY {
            true => Err(CollectError::TooEarly { date, first: FIRST_DAY }),
            false => Ok(()),
        }
    }
}
