//! The content of a notification, as it is stored.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use strum::IntoStaticStr;

/// The largest content that alerts are gathered in, in bytes of JSON, so that the body of a request has a bound: alerts beyond it
/// go into further notifications. A single alert is smaller.
pub const MAX_CONTENT_BYTES: usize = 128 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum MessageKind {
    /// Alerts that fire.
    Firing,
    /// Alerts that do not fire any more.
    Resolved,
    /// A message that tries a channel.
    Test,
}

impl MessageKind {
    pub fn name(self) -> &'static str {
        self.into()
    }
}

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
    /// The time until which a receiver that forgets alerts should treat this one as firing. It is repeated before that.
    pub valid_until: Option<Timestamp>,
    /// The reason of the silence that has just ended, if that is why this notification is sent.
    #[serde(default)]
    pub ended_silence: Option<String>,
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

    /// Divides the alerts into contents of at most [`MAX_CONTENT_BYTES`] each, in the same order.
    pub fn divided(self) -> Vec<Self> {
        let Self { tenant, alerts } = self;
        let mut contents: Vec<Self> = Vec::new();
        let mut size = 0;
        for alert in alerts {
            let bytes = serde_json::to_string(&alert).map_or(0, |json| json.len());
            match contents.last_mut() {
                Some(last) if size + bytes <= MAX_CONTENT_BYTES => last.alerts.push(alert),
                _ => {
                    contents.push(Self { tenant: tenant.clone(), alerts: vec![alert] });
                    size = 0;
                }
            }
            size += bytes;
        }
        contents
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::samples::alert;

    #[test]
    fn a_content_survives_being_stored() {
        let content = NotificationContent { tenant: "default".to_owned(), alerts: vec![alert()] };
        assert_eq!(NotificationContent::from_object(&content.clone().into_object()), content);
        assert_eq!(NotificationContent::from_object(&Map::new()), NotificationContent::default());
    }

    #[test]
    fn many_alerts_are_divided_into_contents_of_a_bounded_size() {
        let long = AlertNotice { summary: "\u{1}".repeat(4096), ..alert() };
        let alerts: Vec<_> =
            (0..100).map(|n| AlertNotice { rule: format!("rule_{n}"), ..long.clone() }).collect();
        let content = NotificationContent { tenant: "default".to_owned(), alerts: alerts.clone() };
        let divided = content.divided();
        assert!(divided.len() > 10, "{}", divided.len());
        for content in &divided {
            let size = serde_json::to_string(content).unwrap().len();
            assert!(size <= MAX_CONTENT_BYTES + 1000, "{size}");
        }
        let again: Vec<_> = divided.into_iter().flat_map(|content| content.alerts).collect();
        assert_eq!(again, alerts, "none is lost, and the order stays");
    }
}
