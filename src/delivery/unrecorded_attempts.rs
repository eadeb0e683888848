//! Attempts that could not be written to the store, because its disk is full or it cannot be reached. They are kept until the store
//! accepts them. Until then nothing else is sent, because the store would return the same notifications as pending again.

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use crate::{
    clock::has_passed,
    collect::Context,
    store::{DeliveryOutcome, StoreError},
};

/// The pause after the first failure to write them. It doubles up to [`MAX_PAUSE`].
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(5);
const MAX_PAUSE: SignedDuration = SignedDuration::from_mins(1);

#[derive(Debug, Default)]
pub struct UnrecordedAttempts(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// In the order of the attempts.
    outcomes: Vec<DeliveryOutcome>,
    /// The time at which writing them failed last, and the pause after that.
    failed: Option<(Timestamp, SignedDuration)>,
}

impl UnrecordedAttempts {
    pub fn is_empty(&self) -> bool {
        self.0.lock().outcomes.is_empty()
    }

    /// Records an attempt, or keeps it.
    ///
    /// # Errors
    /// When the store fails; the outcome is kept then.
    pub async fn record(&self, context: &Context, outcome: DeliveryOutcome) -> Result<(), StoreError> {
        let recorded = context.tenant.store.record_attempt(&outcome).await;
        if recorded.is_err() {
            let mut state = self.0.lock();
            state.outcomes.push(outcome);
            state.fail(context.now());
        }
        recorded
    }

    /// Records what is kept, unless the pause since the last failure is not over. `false` while something is kept.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn record_all(&self, context: &Context) -> Result<bool, StoreError> {
        let now = context.now();
        let waits = |(at, pause): (Timestamp, SignedDuration)| !has_passed(at, pause, now);
        if self.0.lock().failed.is_some_and(waits) {
            return Ok(false);
        }
        loop {
            let Some(first) = self.0.lock().outcomes.first().cloned() else { break };
            if let Err(error) = context.tenant.store.record_attempt(&first).await {
                self.0.lock().fail(now);
                return Err(error);
            }
            self.0.lock().outcomes.retain(|outcome| *outcome != first);
        }
        self.0.lock().failed = None;
        Ok(true)
    }
}

impl State {
    fn fail(&mut self, now: Timestamp) {
        let pause = self.failed.map_or(FIRST_PAUSE, |(_, pause)| (pause * 2).min(MAX_PAUSE));
        self.failed = Some((now, pause));
    }
}
