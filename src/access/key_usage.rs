//! The times of last use of API keys. They are collected in memory and written for all keys at once, every few minutes: on
//! SQLite every write to the store invalidates the cached answers.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::{clock::has_passed, store::Store, telemetry::LogThrottle};

/// A use is written no later than this after it was noted.
const WRITTEN_AFTER: SignedDuration = SignedDuration::from_mins(5);

#[derive(Default)]
pub struct KeyUsage {
    unwritten: Mutex<Unwritten>,
    cannot_write: LogThrottle,
}

#[derive(Default)]
struct Unwritten {
    /// As many as there are keys at most.
    keys: HashMap<Uuid, Timestamp>,
    /// When the first of them was noted.
    since: Option<Timestamp>,
}

impl KeyUsage {
    pub fn note(&self, key: Uuid, now: Timestamp) {
        let mut unwritten = self.lock();
        let last = unwritten.keys.entry(key).or_insert(now);
        *last = now.max(*last);
        unwritten.since.get_or_insert(now);
    }

    /// Writes what was noted if some of it has waited for [`WRITTEN_AFTER`].
    pub async fn write_if_due(&self, store: &dyn Store, now: Timestamp) {
        let since = self.lock().since;
        if since.is_some_and(|since| has_passed(since, WRITTEN_AFTER, now)) {
            self.write(store, now).await;
        }
    }

    /// Writes what was noted. What cannot be written, or is cancelled, stays for the next time.
    pub async fn write(&self, store: &dyn Store, now: Timestamp) {
        let mut uses: Vec<_> = self.lock().keys.iter().map(|(key, at)| (*key, *at)).collect();
        // In one order on every server, so that two servers do not deadlock.
        uses.sort_unstable();
        if uses.is_empty() {
            return;
        }
        let outcome = store.touch_api_keys(&uses).await;
        let mut unwritten = self.lock();
        match outcome {
            Ok(()) => unwritten.keys.retain(|key, at| uses.binary_search(&(*key, *at)).is_err()),
            Err(error) => {
                if let Some(left_out) = self.cannot_write.allow(now) {
                    tracing::warn!(%error, left_out, "the times of last use of API keys cannot be written");
                }
            }
        }
        unwritten.since = (!unwritten.keys.is_empty()).then_some(now);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Unwritten> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
