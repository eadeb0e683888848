//! Which sessions of browsers their users have ended everywhere.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use super::SESSION_LIFETIME;
use crate::store::{Store, StoreError};

/// How long the ends that were read are used, as long as a key is that was revoked.
const KNOWN_FOR: SignedDuration = SignedDuration::from_secs(10);
/// The longest subject that the store accepts, in characters.
const MAX_SUBJECT_CHARS: usize = 200;

/// The ends of sessions, read from the store every ten seconds while sessions are used.
#[derive(Default)]
pub struct KnownSessionEnds(Mutex<ReadEnds>);

#[derive(Default)]
struct ReadEnds {
    read_at: Option<Timestamp>,
    ends: HashMap<String, Timestamp>,
}

impl KnownSessionEnds {
    /// Whether a session of `subject` that began at `began_at` was ended.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn has_ended(
        &self,
        store: &dyn Store,
        subject: &str,
        began_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut known = self.0.lock().await;
        let is_current = known.read_at.is_some_and(|at| at <= now && now.duration_since(at) < KNOWN_FOR);
        if !is_current {
            known.ends = store.session_ends(oldest(now)).await?.into_iter().collect();
            known.read_at = Some(now);
        }
        Ok(known.ends.get(&shortened(subject)).is_some_and(|ended_at| began_at <= *ended_at))
    }

    /// Ends all sessions of `subject` that have begun.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end(&self, store: &dyn Store, subject: &str, now: Timestamp) -> Result<(), StoreError> {
        let subject = shortened(subject);
        store.end_sessions(&subject, now, oldest(now)).await?;
        self.0.lock().await.ends.insert(subject, now);
        Ok(())
    }
}

/// Sessions that began earlier are over.
fn oldest(now: Timestamp) -> Timestamp {
    now.checked_sub(SESSION_LIFETIME).unwrap_or(Timestamp::MIN)
}

fn shortened(subject: &str) -> String {
    subject.chars().take(MAX_SUBJECT_CHARS).collect()
}
