//! The request of a webhook in the layout of Standard Webhooks: <https://www.standardwebhooks.com>.

use jiff::Timestamp;
use serde_json::json;

use super::{
    http_client::{HttpClient, Sent},
    signature::sign,
};
use crate::{
    message::{AlertNotice, Message, NotificationContent},
    store::Notification,
};

/// `now` is the time of the attempt, which is signed; the body is the same at every attempt.
pub fn send(
    client: &HttpClient,
    url: &str,
    secret: Option<&str>,
    (notification, message): (&Notification, &Message),
    now: Timestamp,
) -> Sent {
    let body = body(notification, message);
    let (id, at) = (notification.id.to_string(), now.as_second());
    let mut headers = vec![("webhook-id", id.clone()), ("webhook-timestamp", at.to_string())];
    match secret.map(|secret| sign(secret, &id, at, &body)) {
        None => {}
        Some(Ok(signature)) => headers.push(("webhook-signature", signature)),
        Some(Err(message)) => return Sent::failed(message),
    }
    client.post_json(url, &headers, &body)
}

fn body(notification: &Notification, message: &Message) -> String {
    let content = NotificationContent::from_object(&notification.content);
    let alert = |alert: &AlertNotice| {
        json!({
            "rule": alert.rule,
            "severity": alert.severity,
            "summary": alert.summary,
            "labels": alert.labels,
            "started_at": alert.started_at,
            "ended_at": alert.ended_at,
        })
    };
    json!({
        "type": format!("alert.{}", notification.kind.name()),
        "timestamp": notification.created_at,
        "data": {
            "tenant": content.tenant,
            "title": message.subject,
            "text": message.text,
            "alerts": content.alerts.iter().map(alert).collect::<Vec<_>>(),
        },
    })
    .to_string()
}
