//! Which of several instances evaluates the rules and delivers: the one that holds the lock of alerts. It need not be the one that
//! leads the schedule, because an instance that only serves may do this as well. The lock ends with its process.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use crate::{
    clock::has_passed,
    collect::{Cancellation, Context},
    store::{Held, LockName, StoreError},
    telemetry::{Counters, LogThrottle},
};

/// How often an instance looks whether it can take the lock.
const TICK: std::time::Duration = std::time::Duration::from_secs(1);
/// How often the holder checks that it still has it, beside the checks before each notification.
const CHECK_INTERVAL: SignedDuration = SignedDuration::from_secs(5);

/// The lock while this instance holds it. A batch keeps the lock that it began with: one that was lost and taken again is another
/// one, because another instance may have sent in between.
pub type LeadWatch = watch::Receiver<Option<Arc<dyn Held>>>;

/// Takes and keeps the lock of alerts.
pub struct Lead {
    context: Context,
    counters: Counters,
    held: watch::Sender<Option<Arc<dyn Held>>>,
    failures: LogThrottle,
}

impl Lead {
    pub fn new(context: &Context, counters: Counters) -> Self {
        Self {
            context: context.clone(),
            counters,
            held: watch::Sender::new(None),
            failures: LogThrottle::new(),
        }
    }

    pub fn watch(&self) -> LeadWatch {
        self.held.subscribe()
    }

    /// Takes the lock when it is free, and checks it, until `stop`.
    pub async fn run(&self, stop: &Cancellation) {
        let mut checked_at = None;
        loop {
            if let Err(error) = self.tick(&mut checked_at).await
                && let Some(suppressed) = self.failures.allow(self.context.now())
            {
                tracing::error!(%error, suppressed, "the lock of alerts cannot be taken; it is tried again");
            }
            self.counters.alerting_leads(self.held.borrow().is_some());
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(TICK) => {}
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
