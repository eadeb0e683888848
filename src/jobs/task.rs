//! The task of a job, and its form in the store.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    corrections::RestateRequest,
    store::{JobKind, LockName},
};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Task {
    Collect { date: Date, metrics: Vec<String> },
    Backfill { from: Option<Date>, to: Option<Date>, metrics: Vec<String> },
    Restate(RestateTask),
}

/// A restatement, and why it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestateTask {
    pub metric: String,
    pub from: Option<Date>,
    pub to: Option<Date>,
    pub reason: String,
    pub accept_loss: bool,
    /// Whether the days are only compared, and nothing is written.
    pub dry_run: bool,
}

impl Task {
    pub fn kind(&self) -> JobKind {
        match self {
            Self::Collect { .. } => JobKind::Collect,
            Self::Backfill { .. } => JobKind::Backfill,
            Self::Restate(_) => JobKind::Restate,
        }
    }

    /// The lock that the run of this task holds.
    pub(super) fn lock(&self) -> LockName {
        match self {
            Self::Collect { date, .. } => LockName::Day(*date),
            Self::Backfill { .. } => LockName::Backfill,
            Self::Restate(_) => LockName::Restate,
        }
    }

    /// The days as a text for the log; `…` stands for an end that is not given.
    pub(super) fn days(&self) -> String {
        let (from, to) = match self {
            Self::Collect { date, .. } => return date.to_string(),
            Self::Backfill { from, to, .. } => (from, to),
            Self::Restate(RestateTask { from, to, .. }) => (from, to),
        };
        let shown = |date: &Option<Date>| date.map_or_else(|| "…".to_owned(), |date| date.to_string());
        format!("{} to {}", shown(from), shown(to))
    }

    /// Why it was requested, where that is said.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Restate(task) => Some(task.reason.as_str()).filter(|reason| !reason.is_empty()),
            _ => None,
        }
    }

    /// Sorts the metrics and removes duplicates, so that equal tasks compare as equal.
    pub(super) fn normalized(mut self) -> Self {
        if let Self::Collect { metrics, .. } | Self::Backfill { metrics, .. } = &mut self {
            metrics.sort_unstable();
            metrics.dedup();
        }
        self
    }

    pub(super) fn spec(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(spec)) => spec,
            _ => Map::new(),
        }
    }

    /// Parses a task from the form that [`Self::spec`] returns; `None` if that is not possible.
    pub fn from_spec(spec: &Map<String, Value>) -> Option<Self> {
        Self::deserialize(Value::Object(spec.clone())).ok()
    }
}

impl RestateTask {
    pub(super) fn request(&self) -> RestateRequest {
        let Self { metric, from, to, accept_loss, .. } = self;
        RestateRequest { category: metric.clone(), from: *from, to: *to, accept_loss: *accept_loss }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_task_survives_the_store_unchanged() {
        let metrics = vec!["b".to_owned(), "a".to_owned(), "b".to_owned()];
        let date = date(2025, 1, 2);
        let collect = Task::Collect { date, metrics: metrics.clone() }.normalized();
        let backfill = Task::Backfill { from: Some(date), to: None, metrics }.normalized();
        let restate = Task::Restate(RestateTask {
            metric: "a".to_owned(),
            from: None,
            to: Some(date),
            reason: "why".to_owned(),
            accept_loss: true,
            dry_run: false,
        });
        for task in [collect, backfill, restate] {
            assert_eq!(Task::from_spec(&task.spec()), Some(task));
        }
        assert_eq!(Task::from_spec(&Map::new()), None);
    }
}
