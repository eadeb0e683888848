//! The settings of the delivery of notifications, as typed values.

use std::time::Duration;

use jiff::SignedDuration;

use crate::{
    config::settings::layers::{GivenValue, SettingLayers},
    identity::Secret,
};

#[derive(Debug, Clone)]
pub struct DeliverySettings {
    /// Whether this instance evaluates the rules of alerts and delivers.
    pub is_enabled: bool,
    /// Whether notifications may go to loopback, link-local and private addresses.
    pub allow_private: bool,
    /// How long a receiver may take to answer.
    pub timeout: Duration,
    /// How long after it was written a notification is given up.
    pub give_up_after: SignedDuration,
    /// The interval at which the notification of a firing alert is repeated.
    pub repeat_every: SignedDuration,
    /// The URL that is called after each good run.
    pub heartbeat_url: Option<Secret>,
}

impl DeliverySettings {
    pub(super) fn read(given: &mut SettingLayers) -> Option<Self> {
        let is_enabled = given.boolean("alerting.enabled");
        let allow_private = given.boolean("delivery.allow_private");
        let timeout = given.integer("delivery.timeout_seconds");
        let give_up_hours = given.integer("delivery.give_up_hours");
        let repeat_hours = given.integer("delivery.repeat_hours");
        let heartbeat_url =
            given.optional("delivery.heartbeat_url", |GivenValue { text, .. }| match url::Url::parse(text) {
                Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
                    Ok(Secret::new(text))
                }
                _ => {
                    Err("delivery.heartbeat_url must be a URL that begins with https:// or http://"
                        .to_owned())
                }
            });
        let hours = |hours| i64::try_from(hours).ok().map(SignedDuration::from_hours);
        Some(Self {
            is_enabled: is_enabled?,
            allow_private: allow_private?,
            timeout: Duration::from_secs(timeout?),
            give_up_after: hours(give_up_hours?)?,
            repeat_every: hours(repeat_hours?)?,
            heartbeat_url: heartbeat_url?,
        })
    }
}
