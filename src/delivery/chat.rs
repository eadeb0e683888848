//! The message to a Slack-compatible webhook.

use serde_json::json;

use super::{
    content::NotificationContent,
    http_client::{HttpClient, Sent},
};
use crate::store::Notification;

/// Such webhooks know no key of idempotency; the id is sent as a header all the same, for a proxy that does.
pub fn send(client: &HttpClient, url: &str, notification: &Notification) -> Sent {
    let headers = [("idempotency-key", notification.id.to_string())];
    client.post_json(url, &headers, &json!({ "text": text(notification) }).to_string())
}

fn text(notification: &Notification) -> String {
    let content = NotificationContent::from_object(&notification.content);
    let (title, body) = (content.title(notification.kind), content.body(notification.kind));
    format!("*{}*\n{}", escaped(&title), escaped(&body))
}

/// The three characters that Slack's markup gives a meaning.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped() {
        assert_eq!(escaped("<no & answer>"), "&lt;no &amp; answer&gt;");
    }
}
