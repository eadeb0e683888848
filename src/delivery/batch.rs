//! Sends the pending notifications of one channel, in the order in which they were written.

use std::{collections::BTreeSet, panic::AssertUnwindSafe, sync::Arc, time::Instant};

use futures_util::FutureExt as _;
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    backoff::after_failure,
    http_client::{ReceiverVerdict, Sent},
    sender::{Sender, Senders},
    unrecorded_attempts::UnrecordedAttempts,
};
use crate::{
    collect::Context,
    message::NotificationContent,
    store::{AfterAttempt, Behind, DeliveryAttempt, DeliveryOutcome, Held, Notification},
};

/// The longest answer that is kept, in characters. The tables permit a little more.
const MAX_ANSWER_CHARS: usize = 1900;

pub struct ChannelBatch {
    pub context: Context,
    pub senders: Senders,
    pub unrecorded: Arc<UnrecordedAttempts>,
    pub channel: String,
    /// Oldest first.
    pub notifications: Vec<Notification>,
    /// The lock of alerts as it was when the batch began; `None`: the caller knows that no other process delivers.
    pub lock: Option<Arc<dyn Held>>,
}

impl ChannelBatch {
    /// Tries each notification once, until the receiver cannot be reached. Those behind one that the receiver refused are still
    /// tried, except those about the same rules, because an end must not arrive before its beginning. `false` when this process may not
    /// send any more, or could not note what it sent.
    pub async fn deliver(self) -> bool {
        let mut is_done = true;
        let sender = self.senders.open(&self.channel).await;
        let mut refused: BTreeSet<String> = BTreeSet::new();
        for (place, notification) in self.notifications.iter().enumerate() {
            let rules = rules(notification);
            if !refused.is_disjoint(&rules) {
                refused.extend(rules);
                continue;
            }
            let sent = match self.may_send().await {
                true => self.attempt(&sender, notification, place).await,
                false => None,
            };
            match sent {
                Some((ReceiverVerdict::Delivered, _) | (_, AfterAttempt::GivenUp)) => {}
                Some((ReceiverVerdict::Refused, _)) => refused.extend(rules),
                Some((ReceiverVerdict::Failed, _)) => break,
                None => {
                    is_done = false;
                    break;
                }
            }
        }
        if let Ok(sender) = sender {
            sender.close().await;
        }
        is_done
    }

    /// Whether this process still has the lock, and nothing that was sent remains to be recorded.
    async fn may_send(&self) -> bool {
        if !self.unrecorded.is_empty() {
            return false;
        }
        match &self.lock {
            None => true,
            Some(lock) => lock.is_held().await,
        }
    }

    /// Sends one notification and notes the attempt; `None` when that could not be recorded.
    async fn attempt(
        &self,
        sender: &Result<Sender, String>,
        notification: &Notification,
        place: usize,
    ) -> Option<(ReceiverVerdict, AfterAttempt)> {
        let attempted_at = self.context.now();
        let (sent, duration_ms) = attempt(sender, notification, attempted_at).await;
        let (id, number) = (notification.id, notification.attempts.saturating_add(1));
        let after = match sent.verdict {
            ReceiverVerdict::Delivered => AfterAttempt::Delivered,
            ReceiverVerdict::Refused | ReceiverVerdict::Failed => {
                let give_up_after = self.senders.settings.give_up_after;
                after_failure(notification.created_at, number, self.context.now(), give_up_after)
            }
        };
        log(&self.channel, id, number, &sent, after);
        let behind = match sent.verdict {
            ReceiverVerdict::Refused => Behind::These(about_the_same(&self.notifications, place)),
            ReceiverVerdict::Delivered | ReceiverVerdict::Failed => Behind::Channel,
        };
        let attempt = delivery_attempt(id, number, attempted_at, duration_ms, &sent);
        let outcome = DeliveryOutcome { attempt, after, behind };
        if let Err(error) = self.unrecorded.record(&self.context, outcome).await {
            let channel = &self.channel;
            tracing::error!(channel, %id, %error, "a delivery attempt cannot be recorded; nothing else is sent until it is recorded");
            return None;
        }
        Some((sent.verdict, after))
    }
}

/// The rules that a notification is about.
fn rules(notification: &Notification) -> BTreeSet<String> {
    let content = NotificationContent::from_object(&notification.content);
    content.alerts.into_iter().map(|alert| alert.rule).collect()
}

/// The notifications after `place` that share a rule with that one, or with one of these.
fn about_the_same(notifications: &[Notification], place: usize) -> Vec<Uuid> {
    let mut held = BTreeSet::new();
    let mut ids = Vec::new();
    for (at, notification) in notifications.iter().enumerate().skip(place) {
        let rules = rules(notification);
        if at == place {
            held = rules;
        } else if !held.is_disjoint(&rules) {
            held.extend(rules);
            ids.push(notification.id);
        }
    }
    ids
}

/// Sends one notification. Returns the outcome and the number of milliseconds that it took.
pub async fn attempt(
    sender: &Result<Sender, String>,
    notification: &Notification,
    now: Timestamp,
) -> (Sent, i64) {
    let started = Instant::now();
    let sent = match sender {
        Err(message) => Sent::failed(message.as_str()),
        Ok(sender) => supervised(sender.send(notification, now)).await,
    };
    (sent, i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX))
}

/// A panic is a failed attempt, so that it is recorded and tried again with growing pauses.
async fn supervised(sending: impl Future<Output = Sent>) -> Sent {
    // The connection is not used after a panic, because a failed attempt ends its batch.
    let sent = AssertUnwindSafe(sending).catch_unwind().await;
    sent.unwrap_or_else(|_| Sent::failed("a fault of Daymark: sending has panicked; its log says where"))
}

pub fn delivery_attempt(
    id: Uuid,
    number: i64,
    attempted_at: Timestamp,
    duration_ms: i64,
    sent: &Sent,
) -> DeliveryAttempt {
    DeliveryAttempt {
        notification_id: id,
        number,
        attempted_at,
        duration_ms,
        is_delivered: sent.is_delivered(),
        answer: sent.answer.chars().take(MAX_ANSWER_CHARS).collect(),
    }
}

fn log(channel: &str, id: Uuid, number: i64, sent: &Sent, after: AfterAttempt) {
    let answer = &sent.answer;
    match after {
        AfterAttempt::Delivered => {
            tracing::info!(channel, %id, attempt = number, "a notification was delivered");
        }
        AfterAttempt::TryAgain(next) => {
            tracing::warn!(channel, %id, attempt = number, answer, %next, "a notification was not delivered; it is tried again");
        }
        AfterAttempt::GivenUp => {
            tracing::error!(channel, %id, attempt = number, answer, "a notification was not delivered and is given up");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_failed_attempt() {
        let sent = supervised(async { panic!("no such header") }).await;
        assert_eq!(sent.verdict, ReceiverVerdict::Failed);
        assert!(sent.answer.contains("panicked"), "{}", sent.answer);
        let delivered = Sent { verdict: ReceiverVerdict::Delivered, answer: "HTTP 200".to_owned() };
        assert_eq!(supervised(std::future::ready(delivered.clone())).await, delivered);
    }
}
