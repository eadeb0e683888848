//! When the leader looks for due and missed days again. An agenda holds times only, and reads neither a clock nor a store, so that a
//! simulation of years can drive it.

use jiff::{SignedDuration, Timestamp, civil::Date};

use crate::{collect::DueTimes, metric::MetricKey, store::Trigger};

/// How often the scheduler looks for missed days, in addition to its start, changes of definitions and the end of a job.
pub const CATCH_UP_INTERVAL: SignedDuration = SignedDuration::from_hours(1);
/// The interval between two looks after a failed one, or while the platform cannot be reached.
const RETRY_INTERVAL: SignedDuration = SignedDuration::from_secs(30);
/// The shortest interval between two looks that commits of other processes cause.
const CHANGE_INTERVAL: SignedDuration = SignedDuration::from_secs(5);

/// The times of the leader's next looks. A new one looks at once.
#[derive(Debug, Default)]
pub struct Agenda {
    looked_at: Option<Timestamp>,
    /// The version of the store at the last look.
    store_version: Option<u64>,
    /// When the next look is due, if nothing happens before; `None`: at once.
    wake_at: Option<Timestamp>,
    /// When missed days are looked for again; `None`: at the next look.
    catch_up_at: Option<Timestamp>,
    /// The active metrics and their versions when missed days were last looked for.
    definitions: Vec<(MetricKey, i32)>,
}

/// When to look again after a failure at `now`.
pub fn retry_at(now: Timestamp) -> Timestamp {
    after(now, RETRY_INTERVAL)
}

fn after(now: Timestamp, interval: SignedDuration) -> Timestamp {
    now.checked_add(interval).unwrap_or(Timestamp::MAX)
}

impl Agenda {
    /// Whether to look now, with the store at `store_version`.
    pub fn is_look_due(&self, now: Timestamp, store_version: Option<u64>) -> bool {
        let (Some(looked_at), Some(wake_at)) = (self.looked_at, self.wake_at) else { return true };
        // A clock that was set back may have made other days due.
        now < looked_at
            || now >= wake_at
            || store_version != self.store_version && now.duration_since(looked_at) >= CHANGE_INTERVAL
    }

    /// Begins a look, and returns the last day that is due. The next look is when the next day is due, and in an hour at the latest.
    pub fn begin_look(
        &mut self,
        now: Timestamp,
        store_version: Option<u64>,
        due: &DueTimes<'_>,
    ) -> Option<Date> {
        (self.looked_at, self.store_version) = (Some(now), store_version);
        self.wake_at = Some(after(now, CATCH_UP_INTERVAL));
        self.wake_until(due.next_due(now).map(|(_, at)| at));
        due.last_due(now)
    }

    /// Makes the next look happen at `until` at the latest.
    pub fn wake_until(&mut self, until: Option<Timestamp>) {
        self.wake_at = self.wake_at.into_iter().chain(until).min();
    }

    /// Makes the next look happen at `until` at the latest, because a step of the trigger `trigger` has to wait until then.
    pub fn wait(&mut self, trigger: Trigger, until: Timestamp) {
        self.wake_until(Some(until));
        if trigger == Trigger::CatchUp {
            self.catch_up_at = self.catch_up_at.map(|at| at.min(until));
        }
    }

    /// Whether missed days are looked for at this look: after an hour, and when `definitions` have changed.
    pub fn is_catch_up_due(&self, now: Timestamp, definitions: &[(MetricKey, i32)]) -> bool {
        // A time that is further away than the interval was set before the clock was set back.
        let is_time =
            self.catch_up_at.is_none_or(|at| now >= at || at.duration_since(now) > CATCH_UP_INTERVAL);
        is_time || self.definitions != definitions
    }

    /// Notes that missed days of `definitions` were looked for at `now`.
    pub fn caught_up(&mut self, now: Timestamp, definitions: Vec<(MetricKey, i32)>) {
        self.catch_up_at = Some(after(now, CATCH_UP_INTERVAL));
        self.definitions = definitions;
    }

    /// Makes the next look include a search for missed days.
    pub fn catch_up_again(&mut self) {
        self.catch_up_at = None;
    }

    /// A job has ended, so what it left missing is looked for at once.
    pub fn job_ended(&mut self) {
        self.wake_at = None;
        self.catch_up_again();
    }

    /// Notes that the look at `now` failed, so that the next one is after [`RETRY_INTERVAL`].
    pub fn look_failed(&mut self, now: Timestamp) {
        self.wake_at = Some(retry_at(now));
    }

    /// When the next look is due, if nothing happens before; `None`: at once.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.wake_at
    }
}
