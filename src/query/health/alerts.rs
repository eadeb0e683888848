//! The alerts that fire, and the notifications that are still to be delivered.

use jiff::Timestamp;
use serde::Serialize;
use strum::IntoEnumIterator;
use utoipa::{ToSchema, openapi::Object};

use crate::{
    collect::Context,
    config::AlertSeverity,
    query::{error::QueryError, response::words},
    store::{AlertEvaluation, AlertState, AlertStatus, NotificationCounts},
};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AlertsHealth {
    /// Whether an instance evaluates the rules and delivers notifications: it holds the lock of alerts and has evaluated them within 6 minutes.
    pub is_evaluated: bool,
    /// Whether an instance holds the lock of alerts and has evaluated no rules for 6 minutes: it hangs, or every evaluation fails.
    pub is_silent: bool,
    /// How many alerts fire, by severity.
    pub firing: Vec<SeverityCount>,
    /// How many rules are in each state, of all that were ever evaluated.
    pub states: Vec<StateCount>,
    pub notifications: NotificationsHealth,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SeverityCount {
    #[schema(schema_with = severities)]
    pub severity: &'static str,
    pub alerts: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct StateCount {
    #[schema(schema_with = statuses)]
    pub state: &'static str,
    pub rules: usize,
}

/// The notifications of the last 90 days, and those that are still to be delivered, without messages that try a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct NotificationsHealth {
    /// Those that are still to be delivered.
    pub pending: i64,
    /// When the oldest of these was written; null: there is none.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub oldest_pending_at: Option<Timestamp>,
    pub delivered: i64,
    /// Those that could not be delivered within `delivery.give_up_hours`.
    pub given_up: i64,
}

/// # Errors
/// When the store fails.
pub(super) async fn alerts_health(context: &Context) -> Result<AlertsHealth, QueryError> {
    let store = &context.tenant.store;
    let states = store.alert_states().await?;
    let NotificationCounts { pending, delivered, given_up, oldest_pending_at } =
        store.notification_counts().await?;
    let firing = |severity: AlertSeverity| SeverityCount {
        severity: severity.name(),
        alerts: states.iter().filter(|state| fires_as(state, severity.name())).count(),
    };
    let in_state = |status: AlertStatus| StateCount {
        state: status.name(),
        rules: states.iter().filter(|state| state.status == status).count(),
    };
    let evaluation = AlertEvaluation::read(store.as_ref()).await?;
    Ok(AlertsHealth {
        is_evaluated: evaluation == AlertEvaluation::Working,
        is_silent: matches!(evaluation, AlertEvaluation::Silent(_)),
        firing: AlertSeverity::iter().map(firing).collect(),
        states: AlertStatus::iter().map(in_state).collect(),
        notifications: NotificationsHealth { pending, oldest_pending_at, delivered, given_up },
    })
}

fn fires_as(state: &AlertState, severity: &str) -> bool {
    let is_of = state.fired_as.as_ref().is_some_and(|fired| fired.severity == severity);
    is_of && state.status == AlertStatus::Firing
}

fn severities() -> Object {
    words(AlertSeverity::iter().map(AlertSeverity::name))
}

fn statuses() -> Object {
    words(AlertStatus::iter().map(AlertStatus::name))
}
