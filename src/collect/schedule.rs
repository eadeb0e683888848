//! Pausing and resuming the schedule. A pause keeps the scheduler from starting runs; runs that are started manually or
//! over the API continue.

use jiff::Timestamp;
use uuid::Uuid;

use super::Context;
use crate::store::{Pause, StoreError};

/// The longest reason of a pause, in characters.
pub const MAX_REASON_CHARS: usize = 1000;

#[derive(Debug, thiserror::Error)]
pub enum PauseError {
    #[error("give the reason of the pause in 1 to {MAX_REASON_CHARS} characters")]
    Reason,
    #[error("the pause would end at {until}, which is not after now ({now})")]
    AlreadyOver {
        /// Both in the reporting time zone.
        until: String,
        now: String,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Pauses the schedule until `until`, or until it is resumed. A pause that holds already is replaced by this one.
///
/// # Errors
/// When the reason is empty or too long, `until` is not in the future, or the store fails.
pub async fn pause(context: &Context, reason: &str, until: Option<Timestamp>) -> Result<Pause, PauseError> {
    let (reason, now) = (reason.trim(), context.now());
    if !(1..=MAX_REASON_CHARS).contains(&reason.chars().count()) {
        return Err(PauseError::Reason);
    }
    if let Some(until) = until.filter(|until| *until <= now) {
        let calendar = &context.tenant.calendar;
        return Err(PauseError::AlreadyOver { until: calendar.display(until), now: calendar.display(now) });
    }
    let pause = Pause {
        id: Uuid::new_v4(),
        paused_at: now,
        paused_by: context.initiator.actor.clone(),
        reason: reason.to_owned(),
        until,
        resumed_at: None,
        resumed_by: None,
    };
    context.tenant.store.add_pause(&pause).await?;
    Ok(pause)
}

/// Ends the pause. `false` when the schedule was not paused.
///
/// # Errors
/// When the store fails.
pub async fn resume(context: &Context) -> Result<bool, StoreError> {
    context.tenant.store.end_pause(context.now(), &context.initiator.actor).await
}
