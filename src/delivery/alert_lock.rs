//! Which of several instances evaluates the rules and delivers: the one that holds the lock of alerts. It need not be the one that
//! leads the schedule, because an instance that only serves may do this as well. The lock ends with its process.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use crate::{
    clock::has_passed,
    collect::{CancellationToken, Context},
    store::{Held, LockName, StoreError},
    telemetry::{Counters, OutageLog},
};

/// How often an instance looks whether it can take the lock.
const TICK: std::time::Duration = std::time::Duration::from_secs(1);
/// The pause of the holder between two ticks, which have nothing to do but the check.
const HOLDER_TICK: std::time::Duration = std::time::Duration::from_secs(5);
/// How often the holder checks that it still has it, beside the checks before each notification.
const CHECK_INTERVAL: SignedDuration = SignedDuration::from_secs(5);

/// The lock while this instance holds it. A batch keeps the lock with which it began. A lock that was lost and taken again is
/// another lock, because another instance may have sent notifications in between.
pub type AlertLockWatch = watch::Receiver<Option<Arc<dyn Held>>>;

/// Takes and keeps the lock of alerts.
pub struct AlertLock {
    context: Context,
    counters: Counters,
    held: watch::Sender<Option<Arc<dyn Held>>>,
    failures: OutageLog,
}

impl AlertLock {
    pub fn new(context: &Context, counters: Counters) -> Self {
        Self {
            context: context.clone(),
            counters,
            held: watch::Sender::new(None),
            failures: OutageLog::default(),
        }
    }

    pub fn watch(&self) -> AlertLockWatch {
        self.held.subscribe()
    }

    /// Takes the lock when it is free, and checks it, until `stop`.
    pub async fn run(&self, stop: &CancellationToken) {
        let mut checked_at = None;
        loop {
            match self.tick(&mut checked_at).await {
                Err(error) => {
                    if let Some(suppressed) = self.failures.failed(self.context.now()) {
                        tracing::error!(%error, suppressed, "the lock of alerts cannot be taken; it is tried again");
                    }
                }
                Ok(()) => {
                    if let Some(lasted) = self.failures.ended(self.context.now()) {
                        tracing::info!("the lock of alerts can be taken again, after {lasted:#}");
                    }
                }
            }
            let holds_lock = self.held.borrow().is_some();
            self.counters.alerting_leads(holds_lock);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(if holds_lock { HOLDER_TICK } else { TICK }) => {}
            }
        }
    }

    /// `checked_at` is when the lock was checked last.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn tick(&self, checked_at: &mut Option<Timestamp>) -> Result<(), StoreError> {
        let (now, store) = (self.context.now(), &self.context.tenant.store);
        let held = self.held.borrow().clone();
        match held {
            None => {
                if store.is_taken(&LockName::Alerts).await? {
                    return Ok(());
                }
                let Some(held) = store.try_lock(&LockName::Alerts).await? else { return Ok(()) };
                tracing::info!("this instance evaluates alerts and delivers notifications from now on");
                self.held.send_replace(Some(Arc::from(held)));
            }
            Some(held) => {
                if checked_at.is_some_and(|at| !has_passed(at, CHECK_INTERVAL, now)) {
                    return Ok(());
                }
                if !held.is_held().await {
                    tracing::warn!("this instance has lost the lock of alerts, and stands by");
                    self.held.send_replace(None);
                }
            }
        }
        *checked_at = Some(now);
        Ok(())
    }
}
