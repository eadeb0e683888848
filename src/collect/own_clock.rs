//! Compares this machine's clock with that of the store's server: with a clock that is ahead, a day that has not ended
//! would be recorded permanently.

use jiff::{SignedDuration, civil::Date};

use super::{CollectError, Context};

/// The most by which this machine's clock may be ahead of that of the store's server.
pub const MAX_CLOCK_LEAD: SignedDuration = SignedDuration::from_mins(5);

/// Fails if this machine's clock is ahead of that of the store's server by more than [`MAX_CLOCK_LEAD`], or if `date`
/// is not finished according to the server's clock.
pub(super) async fn require_sound_clock(context: &Context, date: Date) -> Result<(), CollectError> {
    let (ours, theirs) = (context.now(), context.tenant.store.now().await?);
    let lead = ours.duration_since(theirs);
    if lead <= MAX_CLOCK_LEAD && context.ready_at(date) <= theirs + MAX_CLOCK_LEAD {
        return Ok(());
    }
    let display = |instant| context.tenant.calendar.display(instant);
    Err(CollectError::ClockAhead { ours: display(ours), theirs: display(theirs) })
}
