//! What a notification says, as it is stored; and its texts for people.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::store::NotificationKind;

/// The content of a notification: one alert, or several that changed at the same time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationContent {
    pub tenant: String,
    pub alerts: Vec<AlertNotice>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertNotice {
    /// The rule's name.
    pub rule: String,
    pub severity: String,
    /// What was found, in a sentence.
    pub summary: String,
    pub labels: BTreeMap<String, String>,
    /// When the condition began to hold.
    pub started_at: Timestamp,
    /// When it was found not to hold any more, of an alert that is resolved.
    pub ended_at: Option<Timestamp>,
    /// Until when a receiver that forgets alerts should take this one as firing: it is repeated before.
    pub valid_until: Option<Timestamp>,
}

impl NotificationContent {
    /// Reads a stored content. One that another version wrote, and that cannot be read, is empty.
    pub fn from_object(object: &Map<String, Value>) -> Self {
        serde_json::from_value(Value::Object(object.clone())).unwrap_or_default()
    }

    pub fn into_object(self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(object)) => object,
            // Its fields are texts and instants, which are never refused.
            _ => Map::new(),
        }
    }

    /// One line, for a subject.
    pub(super) fn title(&self, kind: NotificationKind) -> String {
        let what = match (kind, self.alerts.as_slice()) {
            (NotificationKind::Test, _) => return format!("Daymark ({}): a test", self.tenant),
            (NotificationKind::Resolved, [alert]) => format!("resolved: {}", alert.rule),
            (_, [alert]) => format!("{}: {}", alert.severity, alert.rule),
            (NotificationKind::Resolved, alerts) => format!("{} alerts are resolved", alerts.len()),
            (_, alerts) => format!("{} alerts fire", alerts.len()),
        };
        format!("Daymark ({}): {what}", self.tenant)
    }

    /// A few lines, for a message.
    pub(super) fn body(&self, kind: NotificationKind) -> String {
        if kind == NotificationKind::Test {
            return "This message tries the channel; nothing is wrong.".to_owned();
        }
        let line = |alert: &AlertNotice| {
            let since = alert.started_at.strftime("%Y-%m-%d %H:%M UTC");
            let labels: Vec<_> = alert.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let labels = if labels.is_empty() { String::new() } else { format!(" [{}]", labels.join(", ")) };
            match alert.ended_at {
                None => {
                    format!("{} {}{labels}: {} (since {since})", alert.severity, alert.rule, alert.summary)
                }
                Some(ended) => format!(
                    "resolved {}{labels}: {} (from {since} to {})",
                    alert.rule,
                    alert.summary,
                    ended.strftime("%Y-%m-%d %H:%M UTC")
                ),
            }
        };
        self.alerts.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
pub(super) fn sample() -> NotificationContent {
    NotificationContent {
        tenant: "default".to_owned(),
        alerts: vec![AlertNotice {
            rule: "collection_failing".to_owned(),
            severity: "critical".to_owned(),
            summary: "3 runs failed in a row: <no & answer>".to_owned(),
            labels: [("team".to_owned(), "data".to_owned())].into(),
            started_at: "2025-02-01T00:20:00Z".parse().unwrap(),
            ended_at: None,
            valid_until: Some("2025-02-02T02:00:00Z".parse().unwrap()),
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_survives_being_stored() {
        assert_eq!(NotificationContent::from_object(&sample().into_object()), sample());
        assert_eq!(NotificationContent::from_object(&Map::new()), NotificationContent::default());
    }

    #[test]
    fn texts_name_rule_severity_and_time() {
        let mut content = sample();
        let firing = NotificationKind::Firing;
        assert_eq!(content.title(firing), "Daymark (default): critical: collection_failing");
        assert_eq!(
            content.body(firing),
            "critical collection_failing [team=data]: 3 runs failed in a row: <no & answer> (since 2025-02-01 00:20 UTC)"
        );
        content.alerts[0].ended_at = Some("2025-02-01T06:00:00Z".parse().unwrap());
        let resolved = NotificationKind::Resolved;
        assert_eq!(content.title(resolved), "Daymark (default): resolved: collection_failing");
        assert!(content.body(resolved).ends_with("(from 2025-02-01 00:20 UTC to 2025-02-01 06:00 UTC)"));
        content.alerts.push(content.alerts[0].clone());
        assert_eq!(content.title(firing), "Daymark (default): 2 alerts fire");
        assert_eq!(content.body(resolved).lines().count(), 2);
    }
}
