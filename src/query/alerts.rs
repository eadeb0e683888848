//! The rules of alerts with their states, and the silences.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use strum::IntoEnumIterator;
use utoipa::{ToSchema, openapi::Object};
use uuid::Uuid;

use super::{error::QueryError, response::words};
use crate::{
    collect::Context,
    config::{AlertRule, AlertSeverity},
    store::{AlertState, AlertStatus, Silence},
};

/// The newest silences, among which are those that hold.
const MAX_SILENCES: i64 = 500;

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AlertsResponse {
    /// The rules of the configuration; those that fire first.
    pub alerts: Vec<AlertEntry>,
    /// The silences that hold, newest first.
    pub silences: Vec<SilenceEntry>,
    /// Notifications that are still to be delivered.
    pub pending_notifications: i64,
}

/// A rule and its state.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AlertEntry {
    pub rule: String,
    #[schema(schema_with = severities)]
    pub severity: &'static str,
    #[schema(schema_with = statuses)]
    pub status: &'static str,
    /// Since when it has this status; null: it has not been evaluated yet.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// When the condition began to hold.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// What was found.
    pub summary: Option<String>,
    /// When a channel was last told that it fires; null: none was.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub notified_at: Option<Timestamp>,
    pub is_silenced: bool,
    pub labels: BTreeMap<String, String>,
    /// The channels that are notified of it.
    pub channels: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SilenceEntry {
    pub id: Uuid,
    /// Null: all rules.
    pub rule: Option<String>,
    pub reason: String,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Who made it: `cli:<system user>`, `key:<id>` or `user:<sub>`.
    pub created_by: String,
    #[schema(value_type = String, format = DateTime)]
    pub ends_at: Timestamp,
}

/// `channels` are the names of all channels.
///
/// # Errors
/// When the store fails.
pub async fn alerts(
    context: &Context,
    rules: &[AlertRule],
    channels: &[String],
) -> Result<AlertsResponse, QueryError> {
    let (now, store) = (context.now(), &context.tenant.store);
    let states = store.alert_states().await?;
    let mut silences = store.silences(MAX_SILENCES).await?;
    silences.retain(|silence| silence.is_active(now));
    let entry = |rule: &AlertRule| {
        let state = states.iter().find(|state| state.rule == rule.name);
        let is_silenced = silences.iter().any(|silence| silence.covers(&rule.name));
        entry(rule, state, channels, is_silenced)
    };
    let mut alerts: Vec<_> = rules.iter().map(entry).collect();
    alerts.sort_by_key(|alert| match alert.status {
        "firing" => 0,
        "pending" => 1,
        _ => 2,
    });
    Ok(AlertsResponse {
        alerts,
        silences: silences.into_iter().map(SilenceEntry::from).collect(),
        pending_notifications: store.notification_counts().await?.pending,
    })
}

fn entry(rule: &AlertRule, state: Option<&AlertState>, channels: &[String], is_silenced: bool) -> AlertEntry {
    AlertEntry {
        rule: rule.name.clone(),
        severity: rule.severity.name(),
        status: state.map_or(AlertStatus::NoData, |state| state.status).name(),
        since: state.map(|state| state.since),
        started_at: state.and_then(|state| state.started_at),
        summary: state.map(|state| state.summary.clone()),
        notified_at: state.and_then(AlertState::notified_at),
        is_silenced,
        labels: rule.labels.clone(),
        channels: rule.channels.clone().unwrap_or_else(|| channels.to_vec()),
    }
}

impl From<Silence> for SilenceEntry {
    fn from(silence: Silence) -> Self {
        let Silence { id, rule, reason, created_at, created_by, ends_at, .. } = silence;
        Self { id, rule, reason, created_at, created_by, ends_at }
    }
}

fn severities() -> Object {
    words(AlertSeverity::iter().map(AlertSeverity::name))
}

fn statuses() -> Object {
    words(AlertStatus::iter().map(AlertStatus::name))
}
