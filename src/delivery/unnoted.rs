//! Attempts that could not be written to the store, because its disk is full or it cannot be reached. They are kept until the store
//! accepts them. Until then nothing else is sent, because the store would return the same notifications as pending again.

use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::{
    clock::has_passed,
    collect::Context,
    store::{DeliveryOutcome, StoreError},
};

/// The pause after the first failure to write them. It doubles up to [`MAX_PAUSE`].
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(5);
const MAX_PAUSE: SignedDuration = SignedDuration::from_mins(1);

#[derive(Debug, Default)]
pub struct Unnoted(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// In the order of the attempts.
    outcomes: Vec<DeliveryOutcome>,
    /// The time at which writing them failed last, and the pause after that.
    failed: Option<(Timestamp, SignedDuration)>,
}

impl Unnoted {
    pub fn is_empty(&self) -> bool {
        self.lock().outcomes.is_empty()
    }

    /// Notes an attempt, or keeps it.
    ///
    /// # Errors
    /// When the store fails; the outcome is kept then.
    pub async fn note(&self, context: &Context, outcome: DeliveryOutcome) -> Result<(), StoreError> {
        let noted = context.tenant.store.note_attempt(&outcome).await;
        if noted.is_err() {
            let mut state = self.lock();
            state.outcomes.push(outcome);
            state.fail(context.now());
        }
        noted
    }

    /// Notes what is kept, unless the pause since the last failure is not over. `false` while something is kept.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn note_all(&self, context: &Context) -> Result<bool, StoreError> {
        let now = context.now();
        let waits = |(at, pause): (Timestamp, SignedDuration)| !has_passed(at, pause, now);
        if self.lock().failed.is_some_and(waits) {
            return Ok(false);
        }
        loop {
            let Some(first) = self.lock().outcomes.first().cloned() else { break };
            if let Err(error) = context.tenant.store.note_attempt(&first).await {
                self.lock().fail(now);
                return Err(error);
            }
            self.lock().outcomes.retain(|outcome| *outcome != first);
        }
        self.lock().failed = None;
        Ok(true)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn fail(&mut self, now: Timestamp) {
        let pause = self.failed.map_or(FIRST_PAUSE, |(_, pause)| (pause * 2).min(MAX_PAUSE));
        self.failed = Some((now, pause));
    }
}
