//! The message to a Slack-compatible webhook.

use serde_json::json;

use super::http_client::{HttpClient, Sent};
use crate::{message::Message, store::Notification};

/// Such webhooks have no idempotency key. The id is sent as a header nevertheless, for a proxy that uses it.
pub fn send(client: &HttpClient, url: &str, notification: &Notification, message: &Message) -> Sent {
    let headers = [("idempotency-key", notification.id.to_string())];
    client.post_json(url, &headers, &json!({ "text": message.text }).to_string())
}
