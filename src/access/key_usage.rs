//! Records when API keys were last used. The times are collected in memory and written for all keys at once every five
//! minutes, because on SQLite every write to the store invalidates the cached answers.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use uuid::Uuid;

use crate::{clock::has_passed, store::Store, telemetry::LogThrottle};

/// The longest time between a recorded use and the attempt to write it to the store.
const WRITTEN_AFTER: SignedDuration = SignedDuration::from_mins(5);

#[derive(Default)]
pub struct KeyUsage {
    unwritten: Mutex<Unwritten>,
    cannot_write: LogThrottle,
}

#[derive(Default)]
struct Unwritten {
    /// The time of the last use by key; at most one entry per key.
    keys: HashMap<Uuid, Timestamp>,
    /// The time of the earliest use that is not yet written.
    since: Option<Timestamp>,
}

impl KeyUsage {
    pub fn record(&self, key: Uuid, now: Timestamp) {
        let mut unwritten = self.unwritten.lock();
        let last = unwritten.keys.entry(key).or_insert(now);
        *last = now.max(*last);
        unwritten.since.get_or_insert(now);
    }

    /// Writes the recorded uses if the earliest of them is older than [`WRITTEN_AFTER`].
    pub async fn write_if_due(&self, store: &dyn Store, now: Timestamp) {
        let since = self.unwritten.lock().since;
        if since.is_some_and(|since| has_passed(since, WRITTEN_AFTER, now)) {
            self.write(store, now).await;
        }
    }

    /// Writes the recorded uses. When writing fails or is cancelled, they are kept for the next call.
    pub async fn write(&self, store: &dyn Store, now: Timestamp) {
        let mut uses: Vec<_> = self.unwritten.lock().keys.iter().map(|(key, at)| (*key, *at)).collect();
        // Every server updates the rows in the same order, so that two servers do not deadlock.
        uses.sort_unstable();
        if uses.is_empty() {
            return;
        }
        let outcome = store.touch_api_keys(&uses).await;
        let mut unwritten = self.unwritten.lock();
        match outcome {
            Ok(()) => unwritten.keys.retain(|key, at| uses.binary_search(&(*key, *at)).is_err()),
            Err(error) => {
                if let Some(left_out) = self.cannot_write.allow(now) {
                    tracing::warn!(%error, left_out, "the times when API keys were last used cannot be written");
                }
            }
        }
        unwritten.since = (!unwritten.keys.is_empty()).then_some(now);
    }
}
