//! Alerts for the API of an Alertmanager, version 2.

use serde_json::{Map, Value, json};

use super::http_client::{HttpClient, Sent};
use crate::{
    message::{AlertNotice, NotificationContent},
    store::{Notification, NotificationKind},
};

pub fn send(client: &HttpClient, root: &str, notification: &Notification) -> Sent {
    let url = format!("{}/api/v2/alerts", root.trim_end_matches('/'));
    let headers = [("idempotency-key", notification.id.to_string())];
    client.post_json(&url, &headers, &Value::Array(alerts(notification)).to_string())
}

fn alerts(notification: &Notification) -> Vec<Value> {
    let content = NotificationContent::from_object(&notification.content);
    if notification.kind == NotificationKind::Test {
        let at = notification.created_at;
        return vec![json!({
            "labels": {"alertname": "daymark_test", "severity": "info", "tenant": content.tenant},
            "annotations": {"summary": "This message tries the channel; nothing is wrong."},
            "startsAt": at,
            "endsAt": at,
        })];
    }
    content.alerts.iter().map(|notice| alert(notice, &content.tenant)).collect()
}

/// Alertmanager identifies an alert by its labels. A notice has the labels with which it began to fire, so that its end has the same.
fn alert(notice: &AlertNotice, tenant: &str) -> Value {
    let mut labels: Map<_, _> =
        notice.labels.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    labels.insert("alertname".to_owned(), json!(notice.rule));
    labels.insert("severity".to_owned(), json!(notice.severity));
    labels.insert("tenant".to_owned(), json!(tenant));
    json!({
        "labels": labels,
        "annotations": {"summary": notice.summary},
        "startsAt": notice.started_at,
        "endsAt": notice.ended_at.or(notice.valid_until),
    })
}
