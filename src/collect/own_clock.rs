//! Not trusting this machine's clock alone: a clock that is ahead would record a day that is not over, for ever.

use jiff::{SignedDuration, civil::Date};

use super::{CollectError, Context};

/// How far this machine's clock may be ahead of that of the store's server.
pub const MAX_CLOCK_LEAD: SignedDuration = SignedDuration::from_mins(5);

/// Fails if the clock is ahead, or `date` is not finished, by the clock of the store's server.
pub(super) async fn require_sound_clock(context: &Context, date: Date) -> Result<(), CollectError> {
    let (ours, theirs) = (context.now(), context.tenant.store.now().await?);
    let lead = ours.duration_since(theirs);
    if lead <= MAX_CLOCK_LEAD && context.ready_at(date) <= theirs + MAX_CLOCK_LEAD {
        return Ok(());
    }
    let display = |instant| context.tenant.calendar.display(instant);
    Err(CollectError::ClockAhead { ours: display(ours), theirs: display(theirs) })
}
