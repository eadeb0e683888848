//! Compares this machine's clock with those of the store's and the platform's servers. With a clock that is ahead, a day that has
//! not ended would be recorded permanently; with one that is behind, a day that is read late would count as observed.

use jiff::{SignedDuration, Timestamp, civil::Date};

use super::{CollectError, Context};

/// The most by which this machine's clock may differ from that of a database's server.
pub const MAX_CLOCK_DIFFERENCE: SignedDuration = SignedDuration::from_mins(5);

/// Fails if this machine's clock differs from that of the store's server by more than [`MAX_CLOCK_DIFFERENCE`], or if
/// `date` is not finished according to the server's clock.
pub(super) async fn require_clock_of_store(context: &Context, date: Date) -> Result<(), CollectError> {
    require_same(context, date, context.tenant.store.now().await?, "the store's server")
}

/// As [`require_clock_of_store`], with the clock of the platform's server, if it has one.
pub(super) async fn require_clock_of_platform(context: &Context, date: Date) -> Result<(), CollectError> {
    let platform = context.tenant.platform.as_ref();
    match context.on_platform(|| platform.now()).await? {
        Some(theirs) => require_same(context, date, theirs, "the platform's server"),
        None => Ok(()),
    }
}

/// A simulated clock may be behind, because simulated days are in the past.
fn require_same(
    context: &Context,
    date: Date,
    theirs: Timestamp,
    whose: &'static str,
) -> Result<(), CollectError> {
    let ours = context.now();
    let lead = ours.duration_since(theirs);
    let is_behind = lead < -MAX_CLOCK_DIFFERENCE && !context.installation.clock.is_simulated();
    let is_finished = context.ready_at(date) <= theirs + MAX_CLOCK_DIFFERENCE;
    if lead <= MAX_CLOCK_DIFFERENCE && !is_behind && is_finished {
        return Ok(());
    }
    let display = |instant| context.tenant.calendar.display(instant);
    Err(CollectError::ClocksDiffer { whose, ours: display(ours), theirs: display(theirs) })
}
