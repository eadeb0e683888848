//! The task of a job, and its form in the store.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::store::{LockName, RunKind};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Task {
    Collect { date: Date, metrics: Vec<String> },
    Backfill { from: Option<Date>, to: Option<Date>, metrics: Vec<String> },
}

impl Task {
    pub fn kind(&self) -> RunKind {
        match self {
            Self::Collect { .. } => RunKind::Collect,
            Self::Backfill { .. } => RunKind::Backfill,
        }
    }

    /// The lock that the run of this task holds.
    pub(super) fn lock(&self) -> LockName {
        match self {
            Self::Collect { date, .. } => LockName::Day(*date),
            Self::Backfill { .. } => LockName::Backfill,
        }
    }

    /// Sorts the metrics and removes duplicates, so that equal tasks compare as equal.
    pub(super) fn normalized(mut self) -> Self {
        let (Self::Collect { metrics, .. } | Self::Backfill { metrics, .. }) = &mut self;
        metrics.sort_unstable();
        metrics.dedup();
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
        for task in [collect, backfill] {
            assert_eq!(Task::from_spec(&task.spec()), Some(task));
        }
        assert_eq!(Task::from_spec(&Map::new()), None);
    }
}
