//! Whether the rules of alerts are evaluated: by the lock of alerts, and by the heartbeat that its holder sets after each evaluation.

use jiff::SignedDuration;

use super::{LockName, Runs};
use crate::store::StoreError;

/// How long the holder of the lock, which evaluates the rules every 30 seconds, may evaluate none before it is reported. A statement
/// without an answer takes it half a minute, and is tried again a few times.
const SILENT_AFTER: SignedDuration = SignedDuration::from_mins(6);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertEvaluation {
    /// No process holds the lock of alerts.
    NoInstance,
    Working,
    /// A process holds the lock and has evaluated no rules for this time: it hangs, or fails at every evaluation.
    Silent(SignedDuration),
}

impl AlertEvaluation {
    /// # Errors
    /// When the store fails.
    pub async fn read(store: &(impl Runs + ?Sized)) -> Result<Self, StoreError> {
        if !store.is_taken(&LockName::Alerts).await? {
            return Ok(Self::NoInstance);
        }
        Ok(Self::of_age(store.heartbeat_age(&LockName::Alerts).await?))
    }

    /// A holder whose heartbeat is not known counts as working.
    fn of_age(age: Option<SignedDuration>) -> Self {
        age.filter(|age| *age > SILENT_AFTER).map_or(Self::Working, Self::Silent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_without_heartbeats_is_silent_after_six_minutes() {
        let after = |minutes| AlertEvaluation::of_age(Some(SignedDuration::from_mins(minutes)));
        assert_eq!(after(5), AlertEvaluation::Working);
        assert_eq!(after(7), AlertEvaluation::Silent(SignedDuration::from_mins(7)));
        assert_eq!(AlertEvaluation::of_age(None), AlertEvaluation::Working);
    }
}
