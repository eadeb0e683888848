//! Looks for channels that have something to be delivered, and starts a batch for each.

use std::{collections::HashMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::Notify,
    task::{Id, JoinError, JoinSet},
};

use super::{
    alert_lock::AlertLockWatch, backoff::MAX_PAUSE, batch::ChannelBatch, sender::Senders,
    unrecorded_attempts::UnrecordedAttempts,
};
use crate::{
    clock::has_passed,
    collect::{CancellationToken, Context},
    config::{Channel, DeliverySettings},
    store::{Held, StoreError},
    telemetry::OutageLog,
};

/// How often the store is asked for due notifications, in addition to the moments at which some are written.
const LOOK_INTERVAL: std::time::Duration = std::time::Duration::from_secs(5);
/// The most notifications of one batch, which are in memory at once. Each has at most 1 MiB.
const MAX_BATCH: i64 = 16;
/// How long a finished notification and its attempts are kept.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(90 * 24);
/// How often older ones are deleted.
const DELETE_INTERVAL: SignedDuration = SignedDuration::from_hours(24);

/// Delivers the notifications of one tenant.
pub struct Deliverer {
    context: Context,
    senders: Senders,
    unrecorded: Arc<UnrecordedAttempts>,
    /// Wakes it when notifications were written.
    wake: Arc<Notify>,
    failures: OutageLog,
}

/// The batches that are being sent, by channel: at most one each.
#[derive(Default)]
struct BatchesInFlight {
    /// Each returns whether the next batch may follow at once.
    tasks: JoinSet<bool>,
    channels: HashMap<Id, String>,
}

impl Deliverer {
    pub fn new(context: &Context, channels: Vec<Channel>, settings: DeliverySettings) -> Self {
        Self {
            context: context.clone(),
            senders: Senders::new(channels, settings),
            unrecorded: Arc::default(),
            wake: Arc::new(Notify::new()),
            failures: OutageLog::default(),
        }
    }

    /// Is notified when notifications were written, so that they do not wait for the next look.
    pub fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// Delivers until `stop`, while this instance holds the lock of alerts.
    pub async fn run(&self, mut lock: AlertLockWatch, stop: &CancellationToken) {
        let (mut in_flight, mut deleted_at) = (BatchesInFlight::default(), None);
        loop {
            let held = lock.borrow_and_update().clone();
            match self.look(held, &mut in_flight, &mut deleted_at).await {
                Err(error) => {
                    if let Some(suppressed) = self.failures.failed(self.context.now()) {
                        tracing::error!(%error, suppressed, "notifications cannot be delivered; it is tried again");
                    }
                }
                Ok(()) => {
                    if let Some(lasted) = self.failures.ended(self.context.now()) {
                        tracing::info!("notifications are delivered again, after {lasted:#}");
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => break,
                changed = lock.changed() => if changed.is_err() { break },
                () = self.wake.notified() => {}
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
                () = in_flight.batch_done() => {}
            }
        }
        // The next holder of the lock sends again what is cut off here.
        let finishing = async { while in_flight.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(self.senders.settings.timeout, finishing).await;
        let _ = self.unrecorded.record_all(&self.context).await;
    }

    async fn look(
        &self,
        lock: Option<Arc<dyn Held>>,
        in_flight: &mut BatchesInFlight,
        deleted_at: &mut Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let now = self.context.now();
        // This instance notes its attempts even if it has lost the lock.
        if !self.unrecorded.record_all(&self.context).await? || lock.is_none() {
            return Ok(());
        }
        if deleted_at.is_none_or(|at| has_passed(at, DELETE_INTERVAL, now)) {
            self.delete_old().await?;
            *deleted_at = Some(now);
        }
        self.start_due(lock, in_flight).await
    }

    /// Deletes the notifications that were finished more than 90 days ago. Returns how many.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn delete_old(&self) -> Result<u64, StoreError> {
        let before = self.context.now().checked_sub(KEPT_FOR).unwrap_or(Timestamp::MIN);
        self.context.tenant.store.delete_notifications(before).await
    }

    /// Delivers what is due, and waits until each has been tried once. Only one process may do so at a time.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn deliver_due(&self) -> Result<(), StoreError> {
        if !self.unrecorded.record_all(&self.context).await? {
            return Ok(());
        }
        let mut in_flight = BatchesInFlight::default();
        self.start_due(None, &mut in_flight).await?;
        while in_flight.tasks.join_next().await.is_some() {}
        Ok(())
    }

    /// Starts a batch for each channel that has none in flight.
    async fn start_due(
        &self,
        lock: Option<Arc<dyn Held>>,
        in_flight: &mut BatchesInFlight,
    ) -> Result<(), StoreError> {
        while let Some(ended) = in_flight.tasks.try_join_next_with_id() {
            in_flight.forget(ended);
        }
        let (now, store) = (self.context.now(), &self.context.tenant.store);
        let horizon = now.checked_add(MAX_PAUSE).unwrap_or(Timestamp::MAX);
        for channel in store.due_channels(now, horizon).await? {
            if in_flight.channels.values().any(|busy| *busy == channel) {
                continue;
            }
            let notifications = store.pending_notifications(&channel, MAX_BATCH).await?;
            // A row that cannot be read is due, but is left out here. A batch of nothing would be followed by the next at once.
            if notifications.is_empty() {
                continue;
            }
            let batch = ChannelBatch {
                context: self.context.clone(),
                senders: self.senders.clone(),
                unrecorded: Arc::clone(&self.unrecorded),
                channel: channel.clone(),
                notifications,
                lock: lock.clone(),
            };
            let task = in_flight.tasks.spawn(batch.deliver());
            in_flight.channels.insert(task.id(), channel);
        }
        Ok(())
    }
}

impl BatchesInFlight {
    /// Waits until a batch has ended after which another may follow at once, because more notifications may be pending.
    async fn batch_done(&mut self) {
        loop {
            match self.tasks.join_next_with_id().await {
                None => std::future::pending().await,
                Some(ended) => {
                    if self.forget(ended) {
                        return;
                    }
                }
            }
        }
    }

    /// A batch that has panicked leaves its channel to the batch of the next look.
    fn forget(&mut self, ended: Result<(Id, bool), JoinError>) -> bool {
        let (id, is_done) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                let (id, channel) = (error.id(), self.channels.get(&error.id()));
                tracing::error!(%error, channel, "a batch of notifications has panicked; it is tried again");
                (id, false)
            }
        };
        self.channels.remove(&id);
        is_done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_batch_that_panics_frees_its_channel_and_ends_no_other() {
        let mut in_flight = BatchesInFlight::default();
        let panicking = in_flight.tasks.spawn(async { panic!("a fault in a batch") });
        in_flight.channels.insert(panicking.id(), "ops".to_owned());
        let ended = in_flight.tasks.join_next_with_id().await.unwrap();
        assert!(!in_flight.forget(ended), "nothing says that the next batch may follow at once");
        assert!(in_flight.channels.is_empty());
        let next = in_flight.tasks.spawn(std::future::ready(true));
        in_flight.channels.insert(next.id(), "ops".to_owned());
        in_flight.batch_done().await;
        assert!(in_flight.channels.is_empty());
    }
}
