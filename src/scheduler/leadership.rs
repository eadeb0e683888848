//! The choice of the instance that collects: the one that holds the leader's lock. The lock ends with its process, so that
//! another instance takes over at its next look.

use jiff::{SignedDuration, Timestamp};

use crate::{
    clock::has_passed,
    collect::Context,
    store::{Held, Leader, LockName, StoreError},
};

/// How often the leader checks that it still holds its lock.
const CHECK_INTERVAL: SignedDuration = SignedDuration::from_secs(5);
/// How often the leader writes its heartbeat.
const HEARTBEAT_INTERVAL: SignedDuration = SignedDuration::from_secs(60);

/// The leader's lock, held by this instance.
pub struct Leadership {
    held: Box<dyn Held>,
    leader: Leader,
    checked_at: Timestamp,
}

impl Leadership {
    /// Takes the lead if no instance has it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn take(context: &Context) -> Result<Option<Self>, StoreError> {
        let store = &context.tenant.store;
        if store.schedule_state().await?.is_led {
            return Ok(None);
        }
        let Some(held) = store.try_lock(&LockName::Leader).await? else { return Ok(None) };
        let now = context.now();
        let leader = Leader {
            host: context.installation.host.clone(),
            process_id: context.installation.process_id,
            since: now,
            seen_at: now,
        };
        store.write_leader(&leader).await?;
        Ok(Some(Self { held, leader, checked_at: now }))
    }

    /// Whether this instance still leads. It asks every 5 seconds, and writes the heartbeat every minute.
    ///
    /// # Errors
    /// When the store takes no heartbeat.
    pub async fn still_holds(&mut self, context: &Context) -> Result<bool, StoreError> {
        let now = context.now();
        if !has_passed(self.checked_at, CHECK_INTERVAL, now) {
            return Ok(true);
        }
        if !self.held.is_held().await {
            return Ok(false);
        }
        self.checked_at = now;
        if has_passed(self.leader.seen_at, HEARTBEAT_INTERVAL, now) {
            let leader = Leader { seen_at: now, ..self.leader.clone() };
            context.tenant.store.write_leader(&leader).await?;
            self.leader = leader;
        }
        Ok(true)
    }
}
