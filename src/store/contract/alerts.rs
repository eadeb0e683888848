//! The states of alert rules, and silences.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use strum::{EnumIter, EnumString, IntoStaticStr};
use uuid::Uuid;

use super::NewNotification;
use crate::store::StoreError;

#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum AlertStatus {
    /// The condition does not hold.
    Normal,
    /// The condition holds, but not yet for as long as the rule requires.
    Pending,
    Firing,
    /// It fired, and the condition does not hold any more.
    Resolved,
    /// Nothing is recorded by which the condition could be judged.
    NoData,
    /// The rule cannot be evaluated.
    Error,
}

impl AlertStatus {
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The state of a rule, as it was evaluated last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertState {
    /// The rule's name.
    pub rule: String,
    pub status: AlertStatus,
    /// Since when it has this status.
    pub since: Timestamp,
    /// When the condition began to hold; `Some` of an alert that is pending, firing or resolved, and of one that was pending
    /// before there was nothing to judge by.
    pub started_at: Option<Timestamp>,
    /// What was found, in a sentence of at most 4,096 characters.
    pub summary: String,
    /// The severity and the labels with which it began to fire last. They stay the same until it begins again, so that a receiver
    /// that knows an alert by its labels recognises the end of it.
    pub fired_as: Option<FiredAs>,
    /// The channels that were notified that it fires, each with the time of the last notification.
    pub told: BTreeMap<String, Timestamp>,
    /// Whether a silence held when it was evaluated last.
    pub is_silenced: bool,
    /// Counts changes from 1.
    pub revision: i64,
}

/// The labels by which a receiver recognises an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FiredAs {
    pub severity: String,
    pub labels: BTreeMap<String, String>,
}

impl AlertState {
    /// When a notification that it fires was written last; `None`: no channel was notified.
    pub fn notified_at(&self) -> Option<Timestamp> {
        self.told.values().max().copied()
    }
}

/// A time during which no notification is written that a rule fires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    pub id: Uuid,
    /// The rule's name; `None`: all rules.
    pub rule: Option<String>,
    /// 1 to 1,000 characters.
    pub reason: String,
    pub created_at: Timestamp,
    /// Who made it, as in [`super::NewRun`].
    pub created_by: String,
    /// When it ends by itself.
    pub ends_at: Timestamp,
    /// When it was ended by hand.
    pub ended_at: Option<Timestamp>,
    pub ended_by: Option<String>,
}

impl Silence {
    /// Whether it holds at `now`.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.ended_at.is_none() && now < self.ends_at
    }

    pub fn covers(&self, rule: &str) -> bool {
        self.rule.as_deref().is_none_or(|silenced| silenced == rule)
    }
}

#[async_trait]
pub trait Alerts: Send + Sync {
    /// The states of all rules that were ever evaluated, by name.
    async fn alert_states(&self) -> Result<Vec<AlertState>, StoreError>;

    /// Writes states, each with a revision one higher than it was read with, and in the same transaction the notifications about
    /// them. `false`, and nothing is written, when another process has changed one of the states since.
    async fn commit_alerts(
        &self,
        states: &[AlertState],
        notifications: &[NewNotification],
    ) -> Result<bool, StoreError>;

    /// Deletes the state of a rule that there is no more, if it is as it was read. `false` when another process has changed it since.
    async fn forget_alert(&self, state: &AlertState) -> Result<bool, StoreError>;

    /// The newest `limit` silences, newest first.
    async fn silences(&self, limit: i64) -> Result<Vec<Silence>, StoreError>;

    async fn add_silence(&self, silence: &Silence) -> Result<(), StoreError>;

    /// Ends a silence that holds at `at`. `false` when there is none with that id.
    async fn end_silence(&self, id: Uuid, at: Timestamp, by: &str) -> Result<bool, StoreError>;
}
