//! Takes what is due from the store, sends it, and notes the attempts.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
};
use uuid::Uuid;

use super::{
    backoff::after_failure,
    content::NotificationContent,
    http_client::Sent,
    sender::{Sender, Senders},
};
use crate::{
    clock::has_passed,
    collect::{Cancellation, Context},
    config::{Channel, DeliverySettings},
    store::{AfterAttempt, DeliveryAttempt, NewNotification, Notification, NotificationKind, StoreError},
    telemetry::LogThrottle,
};

/// How often it is looked for what is due, beside the moments at which something is written.
const LOOK_INTERVAL: std::time::Duration = std::time::Duration::from_secs(5);
/// The most notifications of one look.
const MAX_DUE: i64 = 1000;
/// How long a finished notification and its attempts are kept.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(90 * 24);
/// How often those that are older are deleted.
const DELETE_INTERVAL: SignedDuration = SignedDuration::from_hours(24);
/// The longest answer that is kept, in characters. The tables permit a little more.
const MAX_ANSWER_CHARS: usize = 1900;

/// Delivers the notifications of one tenant.
pub struct Deliverer {
    context: Context,
    senders: Senders,
    /// Wakes it when notifications were written.
    wake: Arc<Notify>,
    failures: LogThrottle,
}

/// The batches that are being sent, by channel: at most one each.
#[derive(Default)]
struct BatchesInFlight {
    tasks: JoinSet<String>,
    channels: Vec<String>,
}

/// What became of a notification that was just sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    pub id: Uuid,
    pub is_delivered: bool,
    /// What the receiver answered, or why it did not.
    pub answer: String,
}

impl Deliverer {
    pub fn new(context: &Context, channels: Vec<Channel>, settings: DeliverySettings) -> Self {
        Self {
            context: context.clone(),
            senders: Senders::new(channels, settings),
            wake: Arc::new(Notify::new()),
            failures: LogThrottle::new(),
        }
    }

    /// What wakes it when notifications were written, so that they need not wait for the next look.
    pub fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// Delivers until `stop`, while this instance leads.
    pub async fn run(&self, mut leads: watch::Receiver<bool>, stop: &Cancellation) {
        let (mut in_flight, mut deleted_at) = (BatchesInFlight::default(), None);
        loop {
            let is_leader = *leads.borrow_and_update();
            if is_leader
                && let Err(error) = self.look(&mut in_flight, &mut deleted_at).await
                && let Some(suppressed) = self.failures.allow(self.context.now())
            {
                tracing::error!(%error, suppressed, "notifications cannot be delivered; it is tried again");
            }
            tokio::select! {
                () = stop.cancelled() => break,
                changed = leads.changed() => if changed.is_err() { break },
                () = self.wake.notified() => {}
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
            }
        }
        // What is cut off here is sent again by the next leader.
        let finishing = async { while in_flight.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(self.senders.settings.timeout, finishing).await;
    }

    async fn look(
        &self,
        in_flight: &mut BatchesInFlight,
        deleted_at: &mut Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let now = self.context.now();
        if deleted_at.is_none_or(|at| has_passed(at, DELETE_INTERVAL, now)) {
            let before = now.checked_sub(KEPT_FOR).unwrap_or(Timestamp::MIN);
            self.context.tenant.store.delete_notifications(before).await?;
            *deleted_at = Some(now);
        }
        self.start_due(in_flight).await
    }

    /// Delivers what is due, and waits until each has been tried once.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn deliver_due(&self) -> Result<(), StoreError> {
        let mut in_flight = BatchesInFlight::default();
        self.start_due(&mut in_flight).await?;
        while in_flight.tasks.join_next().await.is_some() {}
        Ok(())
    }

    /// Starts a batch for each channel that has none in flight.
    async fn start_due(&self, in_flight: &mut BatchesInFlight) -> Result<(), StoreError> {
        in_flight.forget_finished();
        let due = self.context.tenant.store.due_notifications(self.context.now(), MAX_DUE).await?;
        let mut batches = BTreeMap::<String, Vec<Notification>>::new();
        for notification in due {
            batches.entry(notification.channel.clone()).or_default().push(notification);
        }
        for (channel, batch) in batches {
            if in_flight.channels.contains(&channel) {
                continue;
            }
            in_flight.channels.push(channel.clone());
            let (context, senders) = (self.context.clone(), self.senders.clone());
            in_flight.tasks.spawn(async move {
                deliver_batch(&context, &senders, &channel, batch).await;
                channel
            });
        }
        Ok(())
    }
}

impl BatchesInFlight {
    fn forget_finished(&mut self) {
        while let Some(finished) = self.tasks.try_join_next() {
            match finished {
                Ok(channel) => self.channels.retain(|other| *other != channel),
                // A batch that panicked names no channel.
                Err(_) => self.channels.clear(),
            }
        }
    }
}

async fn deliver_batch(context: &Context, senders: &Senders, channel: &str, batch: Vec<Notification>) {
    let sender = open(senders, channel).await;
    for notification in batch {
        let attempted_at = context.now();
        let (sent, duration_ms) = attempt(sender.clone(), &notification, attempted_at).await;
        let (id, number) = (notification.id, notification.attempts + 1);
        let after = match sent.is_delivered {
            true => AfterAttempt::Delivered,
            false => {
                after_failure(notification.created_at, number, context.now(), senders.settings.give_up_after)
            }
        };
        log(channel, id, number, &sent, after);
        let attempt = noted(id, number, attempted_at, duration_ms, &sent);
        if let Err(error) = context.tenant.store.note_attempt(&attempt, after).await {
            tracing::error!(channel, %id, %error, "an attempt to deliver cannot be noted: the notification is sent again");
            return;
        }
    }
}

/// Opening may resolve a name, which blocks the thread.
async fn open(senders: &Senders, channel: &str) -> Result<Arc<Sender>, String> {
    let (senders, name) = (senders.clone(), channel.to_owned());
    match tokio::task::spawn_blocking(move || senders.open(&name)).await {
        Ok(opened) => opened.map(Arc::new),
        Err(error) => Err(error.to_string()),
    }
}

/// Sends one notification. Returns what became of it, and how many milliseconds that took.
async fn attempt(
    sender: Result<Arc<Sender>, String>,
    notification: &Notification,
    now: Timestamp,
) -> (Sent, i64) {
    let started = Instant::now();
    let sent = match sender {
        Err(message) => Sent::failed(message),
        Ok(sender) => {
            let notification = notification.clone();
            let sending = tokio::task::spawn_blocking(move || sender.send(&notification, now));
            sending.await.unwrap_or_else(|error| Sent::failed(error.to_string()))
        }
    };
    (sent, i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX))
}

fn noted(id: Uuid, number: i64, attempted_at: Timestamp, duration_ms: i64, sent: &Sent) -> DeliveryAttempt {
    DeliveryAttempt {
        notification_id: id,
        number,
        attempted_at,
        duration_ms,
        is_delivered: sent.is_delivered,
        answer: sent.answer.chars().take(MAX_ANSWER_CHARS).collect(),
    }
}

fn log(channel: &str, id: Uuid, number: i64, sent: &Sent, after: AfterAttempt) {
    let answer = &sent.answer;
    match after {
        AfterAttempt::Delivered => {
            tracing::info!(channel, %id, attempt = number, "a notification was delivered")
        }
        AfterAttempt::TryAgain(next) => {
            tracing::warn!(channel, %id, attempt = number, answer, %next, "a notification was not delivered; it is tried again");
        }
        AfterAttempt::GivenUp => {
            tracing::error!(channel, %id, attempt = number, answer, "a notification was not delivered and is given up");
        }
    }
}

/// Sends a test message to a channel, once, and notes it among the deliveries.
///
/// # Errors
/// When the store fails.
pub async fn test_channel(
    context: &Context,
    channels: Vec<Channel>,
    settings: DeliverySettings,
    channel: &str,
) -> Result<Delivered, StoreError> {
    let senders = Senders::new(channels, settings);
    let now = context.now();
    let content = NotificationContent { tenant: context.tenant.name.clone(), alerts: Vec::new() };
    let new = NewNotification {
        id: Uuid::new_v4(),
        channel: channel.to_owned(),
        kind: NotificationKind::Test,
        content: content.into_object(),
        created_at: now,
    };
    let notification = Notification::from(new.clone());
    let (sent, duration_ms) = attempt(open(&senders, channel).await, &notification, now).await;
    let attempt = noted(new.id, 1, now, duration_ms, &sent);
    let after = if sent.is_delivered { AfterAttempt::Delivered } else { AfterAttempt::GivenUp };
    // It is written when it has been sent, so that no server delivers it as well.
    context.tenant.store.commit_alerts(&[], std::slice::from_ref(&new)).await?;
    context.tenant.store.note_attempt(&attempt, after).await?;
    Ok(Delivered { id: new.id, is_delivered: sent.is_delivered, answer: sent.answer })
}
