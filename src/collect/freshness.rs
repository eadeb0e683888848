//! Prevents recording what the platform may not show completely yet: a standby that lags, a transaction that began before the day
//! was complete and is still open, a materialized view that was not refreshed since the day ended, an object whose age is unknown. A run waits for the platform to catch up, for at most
//! `collect.freshness_wait_seconds`; it does not wait if the age is unknown. If the platform lags as a whole, the whole run is
//! refused; if an object lags, the metrics that read it are refused.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp, civil::Date};
use tokio::{sync::OnceCell, time::Instant};

use super::{CollectError, Context, Failure, batch::Batch, lost_sessions::LostSessions};
use crate::{
    database::Fault,
    metric::{DayBounds, Definition, MetricKey},
    platform::{Cut, OldStates, ReadRelations, Staleness, WhenStale},
    telemetry::OutageLog,
};

/// The least time between two checks whether the platform has caught up. A check that takes longer is followed by a pause of
/// its own length, so that the platform is busy with checks for half of the time at most.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The result of reading, or the staleness because of which nothing was read.
pub(super) type Fresh<T> = Result<T, Staleness>;

/// The metrics that are not read, each with the reason.
pub(super) type Refusals = BTreeMap<MetricKey, Failure>;

/// The relations that the metrics of a run read. They are read from the platform once a run, even if the run waits and opens a new cut.
pub(super) struct Freshness<'a> {
    context: &'a Context,
    keys: Vec<MetricKey>,
    batch: Batch,
    day: DayBounds,
    /// When the run began. A standby that lags must catch up with this time.
    began: Timestamp,
    relations: OnceCell<BTreeMap<MetricKey, ReadRelations>>,
}

/// How old the state is that a cut shows.
pub(super) struct CutState<'a> {
    context: &'a Context,
    began: Timestamp,
    relations: &'a BTreeMap<MetricKey, ReadRelations>,
    old: OldStates,
}

/// One attempt of a run to read a cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct CutAttempt {
    /// Whether there is time to wait for an old state to be replaced.
    pub may_wait: bool,
    /// Whether the run has something to record, or recorded, besides what this attempt reads. Otherwise a run all of whose
    /// metrics are refused ends as one that came too early.
    pub has_other_records: bool,
}

impl<'a> Freshness<'a> {
    /// `day` is one of those to be read.
    pub fn new(
        context: &'a Context,
        definitions: impl IntoIterator<Item = &'a Definition> + Clone,
        day: DayBounds,
    ) -> Self {
        Self {
            context,
            keys: definitions.clone().into_iter().map(Definition::key).collect(),
            batch: Batch::new(definitions.into_iter().enumerate()),
            day,
            began: context.now(),
            relations: OnceCell::new(),
        }
    }

    /// Asks how old the state is that `cut` shows.
    ///
    /// # Errors
    /// When the cut is lost.
    pub async fn of_cut(&self, cut: &mut dyn Cut) -> Result<CutState<'_>, Fault> {
        let relations = self.relations.get_or_try_init(|| self.ask(cut)).await?;
        let all: BTreeSet<_> = relations.values().flatten().flatten().cloned().collect();
        let old = cut.staleness(&all).await?;
        Ok(CutState { context: self.context, began: self.began, relations, old })
    }

    async fn ask(&self, cut: &mut dyn Cut) -> Result<BTreeMap<MetricKey, ReadRelations>, Fault> {
        let relations = self.batch.relations(cut, &self.day).await?;
        Ok(relations.into_iter().map(|(metric, relations)| (self.keys[metric].clone(), relations)).collect())
    }
}

impl CutState<'_> {
    /// Returns the metrics among `wanted`, each with the last day for which it would be read, that must not be read.
    ///
    /// # Errors
    /// The staleness because of which nothing is to be read: that of the platform as a whole; one that may end, while there is
    /// time to wait for that; or that of a metric, if every metric is refused for such a reason.
    pub fn refusals(&self, wanted: &[(MetricKey, Date)], attempt: CutAttempt) -> Fresh<Refusals> {
        let last = wanted.iter().map(|(_, last)| *last).max();
        if let (Some(platform), Some(last)) = (&self.old.platform, last) {
            if self.is_too_stale(platform, last) {
                return Err(platform.clone());
            }
            if platform.when_stale == WhenStale::Warn && is_before(platform, self.context.ready_at(last)) {
                tracing::warn!("what is read may be old: {}", described(self.context, platform));
            }
        }
        let (mut refusals, mut stale) = (Refusals::new(), Vec::new());
        for (key, last) in wanted {
            match self.relations.get(key) {
                Some(Err(fault)) => {
                    refusals.insert(key.clone(), Failure::of_fault(&key.category, fault));
                }
                Some(Ok(relations)) => {
                    let Some(staleness) = self.too_stale_object(relations, *last) else { continue };
                    let message = described(self.context, staleness);
                    refusals.insert(key.clone(), Failure::without_hint(&key.category, message));
                    stale.push(staleness);
                }
                None => {}
            }
        }
        let waited_for = stale.iter().find(|staleness| staleness.when_stale == WhenStale::Wait);
        let is_everything = !attempt.has_other_records && stale.len() == wanted.len();
        match (waited_for, stale.first()) {
            (Some(staleness), _) if attempt.may_wait => Err((*staleness).clone()),
            (_, Some(staleness)) if is_everything => Err((*staleness).clone()),
            _ => Ok(refusals),
        }
    }

    /// The object among those that `relations` are or read that must not be read for days up to `last`. An object for which
    /// waiting does not help comes first.
    fn too_stale_object(&self, relations: &BTreeSet<String>, last: Date) -> Option<&Staleness> {
        let read = self.old.objects.iter().filter(|(relation, _)| relations.contains(relation));
        let objects = read.map(|(_, staleness)| staleness);
        objects
            .filter(|staleness| self.is_too_stale(staleness, last))
            .min_by_key(|staleness| staleness.when_stale != WhenStale::Refuse)
    }

    fn is_too_stale(&self, staleness: &Staleness, last: Date) -> bool {
        let ready_at = self.context.ready_at(last);
        let needed = if staleness.is_lagging { ready_at.max(self.began) } else { ready_at };
        staleness.when_stale != WhenStale::Warn && is_before(staleness, needed)
    }
}

/// Whether the object may show a state from before `instant`.
pub(crate) fn is_before(staleness: &Staleness, instant: Timestamp) -> bool {
    staleness.complete_until.is_none_or(|complete_until| complete_until < instant)
}

/// Calls `read` until the platform shows all of `date`, and returns its result. Each attempt opens a new cut, and receives
/// whether there is time for another one. `read` counts the sessions that it loses in `lost_sessions`.
///
/// # Errors
/// [`CollectError::Stale`] when the platform has not caught up in time, or [`CollectError::Platform`].
pub(super) async fn when_fresh<T, F>(
    context: &Context,
    date: Date,
    lost_sessions: &LostSessions,
    read: impl Fn(bool) -> F,
) -> Result<T, CollectError>
where
    F: Future<Output = Result<Fresh<T>, Fault>>,
{
    let wait_until = Instant::now().checked_add(context.installation.freshness_wait);
    // The platform is asked every second; a wait is logged at growing intervals.
    let waits = OutageLog::new();
    loop {
        let started = Instant::now();
        let may_wait = wait_until.is_none_or(|wait_until| started < wait_until);
        let staleness = match context.on_platform(|| lost_sessions.attempt(|| read(may_wait))).await? {
            Ok(value) => return Ok(value),
            Err(staleness) => staleness,
        };
        if !may_wait || staleness.when_stale == WhenStale::Refuse {
            let ready_at = context.tenant.calendar.display(context.ready_at(date));
            return Err(CollectError::Stale { date, ready_at, staleness: described(context, &staleness) });
        }
        if waits.failed_now().is_some() {
            tracing::warn!(%date, "waiting for the platform: {}", described(context, &staleness));
        }
        tokio::time::sleep(started.elapsed().max(POLL_INTERVAL)).await;
    }
}

/// Describes how far behind an object of the platform is, and why.
pub(crate) fn described(context: &Context, staleness: &Staleness) -> String {
    let Staleness { of, complete_until, reason, .. } = staleness;
    match complete_until {
        None => format!("{of} may show an old state: {reason}"),
        Some(complete_until) => {
            let behind = lag(context, *complete_until);
            let shown = context.tenant.calendar.display(*complete_until);
            format!("{of} shows the state of {shown}, {behind:#} behind: {reason}")
        }
    }
}

/// How far `complete_until` is behind the present, in whole seconds.
pub(crate) fn lag(context: &Context, complete_until: Timestamp) -> SignedDuration {
    SignedDuration::from_secs(complete_until.duration_until(context.now()).as_secs().max(0))
}
