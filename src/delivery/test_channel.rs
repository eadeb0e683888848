//! Trying a channel.

use uuid::Uuid;

use super::{
    batch::{attempt, delivery_attempt},
    sender::Senders,
};
use crate::{
    collect::Context,
    config::{Channel, DeliverySettings},
    message::NotificationContent,
    store::{
        AfterAttempt, Behind, DeliveryOutcome, NewNotification, Notification, NotificationKind, StoreError,
    },
};

/// The outcome of a test message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tested {
    pub id: Uuid,
    pub is_delivered: bool,
    /// The receiver's answer, or the reason why there was none.
    pub answer: String,
}

/// Sends a test message to a channel, once, and notes it among the deliveries. It is written together with its attempt, so that no
/// server finds it pending and delivers it as well.
///
/// # Errors
/// When the store fails.
pub async fn test_channel(
    context: &Context,
    channels: Vec<Channel>,
    settings: DeliverySettings,
    channel: &str,
) -> Result<Tested, StoreError> {
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
    let sender = senders.open(channel).await;
    let (sent, duration_ms) = attempt(&sender, &Notification::from(new.clone()), now).await;
    if let Ok(sender) = sender {
        sender.close().await;
    }
    let after = if sent.is_delivered() { AfterAttempt::Delivered } else { AfterAttempt::GivenUp };
    let attempt = delivery_attempt(new.id, 1, now, duration_ms, &sent);
    let outcome = DeliveryOutcome { attempt, after, behind: Behind::These(Vec::new()) };
    context.tenant.store.add_attempted(&new, &outcome).await?;
    Ok(Tested { id: new.id, is_delivered: sent.is_delivered(), answer: sent.answer })
}
