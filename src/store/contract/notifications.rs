//! Notifications, which are written in the transaction of the change that they report and delivered later, at least once; and the attempts to deliver them.

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Map, Value};
use strum::{EnumIter, EnumString, IntoStaticStr};
use uuid::Uuid;

use crate::store::StoreError;

#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum NotificationKind {
    /// Alerts that fire.
    Firing,
    /// Alerts that do not fire any more.
    Resolved,
    /// A message that tries a channel.
    Test,
    /// A call of the heartbeat's URL after a good run, whose id it has.
    Heartbeat,
}

impl NotificationKind {
    pub fn name(self) -> &'static str {
        self.into()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum NotificationStatus {
    /// It is still to be delivered.
    Pending,
    Delivered,
    /// It was not delivered within the time limit, or cannot be.
    GivenUp,
}

impl NotificationStatus {
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// A notification that is about to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct NewNotification {
    /// The idempotency key: the receiver gets the same at every attempt.
    pub id: Uuid,
    /// The name of the channel that it goes to.
    pub channel: String,
    pub kind: NotificationKind,
    /// At most 1 MiB of JSON.
    pub content: Map<String, Value>,
    /// Also the time of its first attempt, unless the channel is waiting.
    pub created_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    pub id: Uuid,
    pub channel: String,
    pub kind: NotificationKind,
    pub content: Map<String, Value>,
    pub created_at: Timestamp,
    pub status: NotificationStatus,
    /// `None` once it is delivered or given up.
    pub next_attempt_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// How many attempts there were.
    pub attempts: i64,
}

impl From<NewNotification> for Notification {
    /// As it is stored at first.
    fn from(new: NewNotification) -> Self {
        let NewNotification { id, channel, kind, content, created_at } = new;
        Self {
            id,
            channel,
            kind,
            content,
            created_at,
            status: NotificationStatus::Pending,
            next_attempt_at: Some(created_at),
            finished_at: None,
            attempts: 0,
        }
    }
}

/// An attempt to deliver a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryAttempt {
    pub notification_id: Uuid,
    /// Counts from 1 for each notification.
    pub number: i64,
    pub attempted_at: Timestamp,
    pub duration_ms: i64,
    pub is_delivered: bool,
    /// What the receiver answered, or why it did not; at most 2,000 characters.
    pub answer: String,
}

/// The state of a notification after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterAttempt {
    Delivered,
    /// It is tried again at this time.
    TryAgain(Timestamp),
    GivenUp,
}

impl AfterAttempt {
    pub(in crate::store) fn status(self) -> NotificationStatus {
        match self {
            Self::Delivered => NotificationStatus::Delivered,
            Self::TryAgain(_) => NotificationStatus::Pending,
            Self::GivenUp => NotificationStatus::GivenUp,
        }
    }

    pub(in crate::store) fn next_attempt_at(self) -> Option<Timestamp> {
        match self {
            Self::TryAgain(at) => Some(at),
            Self::Delivered | Self::GivenUp => None,
        }
    }
}

/// Which later notifications of the channel wait for the next attempt of one that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behind {
    /// All of them: the receiver cannot be reached.
    Channel,
    /// These: the receiver refused this one notification.
    These(Vec<Uuid>),
}

/// An attempt, and what becomes of notifications after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryOutcome {
    pub attempt: DeliveryAttempt,
    pub after: AfterAttempt,
    /// It matters only where the notification is tried again.
    pub behind: Behind,
}

/// How many notifications there are. Messages that try a channel are not counted: the command that sends one prints its outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NotificationCounts {
    pub pending: i64,
    pub delivered: i64,
    pub given_up: i64,
    /// When the oldest pending one was written.
    pub oldest_pending_at: Option<Timestamp>,
}

#[async_trait]
pub trait Notifications: Send + Sync {
    /// The channels that have a notification to be tried by `now`, or after `horizon`: such a time was computed before the
    /// clock was set back.
    async fn due_channels(&self, now: Timestamp, horizon: Timestamp) -> Result<Vec<String>, StoreError>;

    /// The first `limit` pending notifications of a channel, in the order in which they were written.
    async fn pending_notifications(&self, channel: &str, limit: i64)
    -> Result<Vec<Notification>, StoreError>;

    /// Writes an attempt, and what becomes of its notification if that is pending. Where it is tried again, the pending ones
    /// behind it that were written before the attempt wait as long.
    async fn record_attempt(&self, outcome: &DeliveryOutcome) -> Result<(), StoreError>;

    /// Writes a notification together with its only attempt, after which it is delivered or given up.
    async fn add_attempted(
        &self,
        notification: &NewNotification,
        outcome: &DeliveryOutcome,
    ) -> Result<(), StoreError>;

    /// The newest `limit` notifications, newest first; all, or those to `channel`.
    async fn notifications(&self, channel: Option<&str>, limit: i64)
    -> Result<Vec<Notification>, StoreError>;

    /// The attempts to deliver these notifications, by notification and number.
    async fn delivery_attempts(&self, notifications: &[Uuid]) -> Result<Vec<DeliveryAttempt>, StoreError>;

    async fn notification_counts(&self) -> Result<NotificationCounts, StoreError>;

    /// Deletes the notifications that were finished before `before`, and their attempts. Returns how many.
    async fn delete_notifications(&self, before: Timestamp) -> Result<u64, StoreError>;
}
