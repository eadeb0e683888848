//! The outcome of a job: complete for a request that waits for it, and abridged for the store.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    collect::{BackfillReport, CollectError, DayReport, Failure},
    store::{JobStatus, RunStatus},
};

/// The most failed metrics that a job's stored result lists; the collection log lists all of them.
const MAX_FAILURES: usize = 50;
/// The most characters of a failure's message in a stored result; the job's error may have ten times as many.
const MAX_TEXT_CHARS: usize = 200;

#[derive(Debug, Clone)]
pub struct Outcome {
    pub status: JobStatus,
    /// The entry in the collection log, if the run has one.
    pub run: Option<Uuid>,
    /// The number of records written.
    pub recorded: usize,
    pub already_there: usize,
    pub failed: Vec<Failure>,
    /// The error if the job as a whole failed.
    pub error: Option<Arc<CollectError>>,
}

/// An [`Outcome`] in the abridged form that is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobResult {
    pub recorded: usize,
    pub already_there: usize,
    pub failures: Vec<JobFailure>,
    pub error: Option<String>,
    pub days_total: usize,
    pub days_done: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFailure {
    pub metric_category: String,
    pub message: String,
    pub sqlstate: Option<String>,
}

impl Outcome {
    /// The outcome of a job that panicked.
    pub(super) fn failed() -> Self {
        Self {
            status: JobStatus::Failed,
            run: None,
            recorded: 0,
            already_there: 0,
            failed: Vec::new(),
            error: None,
        }
    }

    pub(super) fn of_day(report: DayReport) -> Self {
        Self {
            status: of_status(Some(report.status)),
            run: report.run,
            recorded: report.recorded.len(),
            already_there: report.already_there,
            failed: report.failed,
            error: None,
        }
    }

    pub(super) fn of_backfill(report: BackfillReport) -> Self {
        Self {
            status: of_status(report.status),
            run: report.run,
            recorded: report.metrics.iter().map(|metric| metric.written).sum(),
            already_there: report.metrics.iter().map(|metric| metric.already_there).sum(),
            failed: report.failed,
            error: None,
        }
    }

    /// The outcome of a job that ended with an error, which is also logged at a level that depends on its meaning.
    pub(super) fn of_error(error: CollectError) -> Self {
        let status = match error {
            CollectError::Interrupted { .. } => {
                tracing::info!(%error, "a job was interrupted");
                JobStatus::Interrupted
            }
            CollectError::Busy { .. } => {
                tracing::info!(%error, "a job found another process doing the same");
                JobStatus::Busy
            }
            _ if error.is_refusal() => {
                tracing::info!(%error, "a job requested days or metrics that cannot be recorded");
                JobStatus::Failed
            }
            _ => {
                tracing::error!(%error, "a job failed");
                JobStatus::Failed
            }
        };
        Self { status, error: Some(Arc::new(error)), ..Self::failed() }
    }

    pub(super) fn result(&self, (days_total, days_done): (usize, usize)) -> JobResult {
        JobResult {
            recorded: self.recorded,
            already_there: self.already_there,
            failures: self.failed.iter().take(MAX_FAILURES).map(JobFailure::from).collect(),
            error: self.error.as_ref().map(|error| cut(&error.to_string(), 10 * MAX_TEXT_CHARS)),
            days_total,
            days_done,
        }
    }
}

impl JobResult {
    pub(super) fn to_json(&self) -> Option<Map<String, Value>> {
        match serde_json::to_value(self) {
            Ok(Value::Object(result)) => Some(result),
            _ => None,
        }
    }

    /// Parses a stored result; one that cannot be parsed becomes the default.
    pub(super) fn from_json(result: &Map<String, Value>) -> Self {
        Self::deserialize(Value::Object(result.clone())).unwrap_or_default()
    }
}

impl From<&Failure> for JobFailure {
    fn from(failure: &Failure) -> Self {
        Self {
            metric_category: failure.category.clone(),
            message: cut(&failure.message, MAX_TEXT_CHARS),
            sqlstate: failure.sqlstate.clone(),
        }
    }
}

fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn of_status(status: Option<RunStatus>) -> JobStatus {
    match status {
        Some(RunStatus::Partial) => JobStatus::Partial,
        Some(RunStatus::Failed) => JobStatus::Failed,
        _ => JobStatus::Completed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_survives_the_store_and_is_bounded() {
        let failure = JobFailure {
            metric_category: "a".to_owned(),
            message: cut(&"ä".repeat(300), MAX_TEXT_CHARS),
            sqlstate: None,
        };
        assert_eq!(failure.message.chars().count(), MAX_TEXT_CHARS + 1);
        let result = JobResult { recorded: 3, failures: vec![failure], ..JobResult::default() };
        assert_eq!(JobResult::from_json(&result.to_json().unwrap()), result);
        assert_eq!(JobResult::from_json(&Map::new()), JobResult::default());
    }
}
