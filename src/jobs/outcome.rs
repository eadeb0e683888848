//! The outcome of a job: complete for a request that waits for it, and abridged for the store.

use std::sync::Arc;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::Task;
use crate::{
    collect::{BackfillReport, CollectError, DayReport, Failure},
    corrections::{RestateError, RestatedDay, Restatement},
    metric::Decimal,
    store::{JobStatus, RunStatus},
};

/// The most failed metrics that a job's stored result lists; the collection log lists all of them.
const MAX_FAILURES: usize = 50;
/// The most characters of a failure's message in a stored result; the job's error may have ten times as many.
const MAX_TEXT_CHARS: usize = 200;

/// How many of the largest differences of a restatement a job's result has.
const MAX_LARGEST: usize = 10;

/// Why a job as a whole failed.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error(transparent)]
    Collect(#[from] CollectError),
    #[error(transparent)]
    Restate(RestateError),
}

impl From<RestateError> for JobError {
    fn from(error: RestateError) -> Self {
        match error {
            RestateError::Collect(error) => Self::Collect(error),
            RestateError::Store(error) => Self::Collect(error.into()),
            other => Self::Restate(other),
        }
    }
}

impl JobError {
    fn is_refusal(&self) -> bool {
        match self {
            Self::Collect(error) => error.is_refusal(),
            Self::Restate(error) => error.is_refusal(),
        }
    }
}

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
    pub error: Option<Arc<JobError>>,
    pub restatement: Option<Arc<RestatementSummary>>,
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
    pub restatement: Option<Arc<RestatementSummary>>,
}

/// What a restatement wrote, or would write if it is a dry run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestatementSummary {
    pub metric_category: String,
    pub definition_version: i32,
    pub from: Date,
    pub to: Date,
    pub dry_run: bool,
    /// The number of days that get a revision.
    pub days_changed: usize,
    pub unchanged: usize,
    pub rows_lost: usize,
    pub corrected_by_hand: usize,
    pub no_value: usize,
    /// The ten largest differences.
    pub largest: Vec<RestatedValue>,
    pub cannot_know: Vec<String>,
}

/// A day that a restatement changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestatedValue {
    pub date: Date,
    pub recorded_value: Decimal,
    pub before: Decimal,
    pub after: Decimal,
    pub rows_lost: bool,
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
            restatement: None,
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
            restatement: None,
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
            restatement: None,
        }
    }

    /// A restatement that was cancelled between two commits was interrupted.
    pub(super) fn of_restatement(restatement: &Restatement, dry_run: bool) -> Self {
        let status = if restatement.is_complete { JobStatus::Completed } else { JobStatus::Interrupted };
        let summary = RestatementSummary::new(restatement, dry_run);
        Self { status, restatement: Some(Arc::new(summary)), ..Self::failed() }
    }

    /// The outcome of a job that ended with an error, which is also logged at a level that depends on its meaning.
    pub(super) fn of_error(task: &Task, error: JobError) -> Self {
        let (kind, days) = (task.kind().name(), task.days());
        let status = match error {
            JobError::Collect(CollectError::Interrupted { .. }) => {
                tracing::info!(kind, days, %error, "a job was interrupted");
                JobStatus::Interrupted
            }
            JobError::Collect(CollectError::Busy { .. }) => {
                tracing::info!(kind, days, %error, "a job found another process doing the same");
                JobStatus::Busy
            }
            _ if error.is_refusal() => {
                tracing::info!(kind, days, %error, "a job requested days or metrics that cannot be recorded");
                JobStatus::Failed
            }
            _ => {
                tracing::error!(kind, days, %error, "a job failed");
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
            restatement: self.restatement.clone(),
        }
    }
}

impl RestatementSummary {
    fn new(restatement: &Restatement, dry_run: bool) -> Self {
        let largest = restatement.largest().into_iter().take(MAX_LARGEST);
        Self {
            metric_category: restatement.key.category.clone(),
            definition_version: restatement.version,
            from: restatement.from,
            to: restatement.to,
            dry_run,
            days_changed: restatement.changes.len(),
            unchanged: restatement.unchanged,
            rows_lost: restatement.lossy.len(),
            corrected_by_hand: restatement.by_hand,
            no_value: restatement.no_value,
            largest: largest.map(RestatedValue::from).collect(),
            cannot_know: restatement.caveats.iter().map(|caveat| cut(caveat, 10 * MAX_TEXT_CHARS)).collect(),
        }
    }
}

impl From<&RestatedDay> for RestatedValue {
    fn from(day: &RestatedDay) -> Self {
        Self {
            date: day.date,
            recorded_value: day.recorded.clone(),
            before: day.before.clone(),
            after: day.after.clone(),
            rows_lost: day.is_lossy,
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
