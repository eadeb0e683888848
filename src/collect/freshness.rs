//! Prevents recording a day that the platform may not show completely yet, because a standby lags, a materialized view
//! was not refreshed since, or how old an object is cannot be told. A run waits for the platform to catch up, for at most
//! `collect.freshness_wait_seconds`; it does not wait for what cannot be told.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, civil::Date};
use tokio::time::Instant;

use super::{CollectError, Context, batch::Batch};
use crate::{
    database::Fault,
    metric::DayBounds,
    platform::{Cut, Staleness, WhenStale},
};

/// The time between two checks whether the platform has caught up.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The result of reading, or the staleness because of which nothing was read.
pub(super) type Fresh<T> = Result<T, Staleness>;

/// Returns the staleness because of which the metrics of `batch` cannot be read for `days` in this snapshot, in a run
/// that began at `began`. One that waiting does not end comes first.
///
/// # Errors
/// When the cut is lost.
pub(super) async fn obstacle(
    context: &Context,
    cut: &mut dyn Cut,
    batch: &Batch,
    days: &[DayBounds],
    began: Timestamp,
) -> Result<Option<Staleness>, Fault> {
    let Some(last) = days.last() else { return Ok(None) };
    let ready_at = context.ready_at(last.date);
    let is_obstacle = |staleness: &Staleness| {
        let needed = if staleness.is_lagging { ready_at.max(began) } else { ready_at };
        staleness.when_stale != WhenStale::Warn && is_before(staleness, needed)
    };
    let obstacles = batch.staleness(cut, days).await?.into_iter().filter(is_obstacle);
    Ok(obstacles.min_by_key(|staleness| staleness.when_stale != WhenStale::Refuse))
}

/// Whether the object may show a state from before `instant`.
pub(crate) fn is_before(staleness: &Staleness, instant: Timestamp) -> bool {
    staleness.complete_until.is_none_or(|complete_until| complete_until < instant)
}

/// Calls `read` until the platform shows all of `date`, and returns its result. Each attempt opens a new cut, and is
/// passed the time at which the first one began.
///
/// # Errors
/// [`CollectError::Stale`] when the platform has not caught up in time, or [`CollectError::Platform`].
pub(super) async fn when_fresh<T, F>(
    context: &Context,
    date: Date,
    mut read: impl FnMut(Timestamp) -> F,
) -> Result<T, CollectError>
where
    F: Future<Output = Result<Fresh<T>, Fault>>,
{
    let began = context.now();
    let wait_until = Instant::now().checked_add(context.installation.freshness_wait);
    loop {
        let staleness = match context.on_platform(|| read(began)).await? {
            Ok(value) => return Ok(value),
            Err(staleness) => staleness,
        };
        let is_over = wait_until.is_some_and(|wait_until| Instant::now() >= wait_until);
        if is_over || staleness.when_stale == WhenStale::Refuse {
            let ready_at = context.tenant.calendar.display(context.ready_at(date));
            return Err(CollectError::Stale { date, ready_at, staleness: described(context, &staleness) });
        }
        tracing::warn!(%date, "waiting for the platform: {}", described(context, &staleness));
        tokio::time::sleep(POLL_INTERVAL).await;
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
