//! The notifications of the last 90 days, newest first, each with the attempts to deliver it.

use jiff::Timestamp;
use serde::Serialize;
use strum::IntoEnumIterator;
use utoipa::{ToSchema, openapi::Object};
use uuid::Uuid;

use super::{error::QueryError, parameter_parser::ParameterParser, response::words};
use crate::{
    collect::Context,
    metric::is_name,
    store::{DeliveryAttempt, Notification, NotificationKind, NotificationStatus},
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveriesQuery {
    /// Only those to this channel.
    pub channel: Option<String>,
    pub limit: usize,
}

impl DeliveriesQuery {
    /// # Errors
    /// [`QueryError::InvalidParameters`] with every problem.
    pub fn parse(channel: Option<String>, limit: Option<&str>) -> Result<Self, QueryError> {
        let mut parser = ParameterParser::default();
        let limit = parser.limit(limit, "notifications");
        if channel.as_deref().is_some_and(|name| !is_name(name)) {
            let message = "the name of a channel has lowercase letters, digits and underscores, and begins with a letter";
            parser.problem("channel", message);
        }
        parser.finish(Self { channel, limit })
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DeliveriesResponse {
    /// Newest first.
    pub deliveries: Vec<DeliveryEntry>,
}

/// A notification to a channel.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DeliveryEntry {
    /// The key of idempotency that the receiver sees at every attempt.
    pub id: Uuid,
    pub channel: String,
    #[schema(schema_with = kinds)]
    pub kind: &'static str,
    #[schema(schema_with = statuses)]
    pub status: &'static str,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Null once it is delivered or given up.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_attempt_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    /// In the order of their numbers.
    pub attempts: Vec<AttemptEntry>,
}

/// An attempt to deliver a notification.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AttemptEntry {
    #[schema(value_type = String, format = DateTime)]
    pub attempted_at: Timestamp,
    pub duration_ms: i64,
    pub is_delivered: bool,
    /// What the receiver answered, or why it did not.
    pub answer: String,
}

/// # Errors
/// When the store fails.
pub async fn deliveries(
    context: &Context,
    query: &DeliveriesQuery,
) -> Result<DeliveriesResponse, QueryError> {
    let store = &context.tenant.store;
    let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
    let notifications = store.notifications(query.channel.as_deref(), limit).await?;
    let ids: Vec<_> = notifications.iter().map(|notification| notification.id).collect();
    let mut attempts = store.delivery_attempts(&ids).await?;
    let entry = |notification: Notification| {
        let of_it = attempts.extract_if(.., |attempt| attempt.notification_id == notification.id);
        let attempts = of_it.map(AttemptEntry::from).collect();
        DeliveryEntry {
            id: notification.id,
            channel: notification.channel,
            kind: notification.kind.name(),
            status: notification.status.name(),
            created_at: notification.created_at,
            next_attempt_at: notification.next_attempt_at,
            finished_at: notification.finished_at,
            attempts,
        }
    };
    Ok(DeliveriesResponse { deliveries: notifications.into_iter().map(entry).collect() })
}

impl From<DeliveryAttempt> for AttemptEntry {
    fn from(attempt: DeliveryAttempt) -> Self {
        let DeliveryAttempt { attempted_at, duration_ms, is_delivered, answer, .. } = attempt;
        Self { attempted_at, duration_ms, is_delivered, answer }
    }
}

fn kinds() -> Object {
    words(NotificationKind::iter().map(NotificationKind::name))
}

fn statuses() -> Object {
    words(NotificationStatus::iter().map(NotificationStatus::name))
}
