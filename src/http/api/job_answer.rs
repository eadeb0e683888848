//! What an answer says of a job: its progress, and its result once it has ended.

use jiff::{Timestamp, civil::Date};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::enum_schemas;
use crate::{
    jobs::{self, JobState, RestatementSummary, Task},
    metric::Decimal,
};

/// A job that a request or the schedule started.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobAnswer {
    id: Uuid,
    #[schema(schema_with = enum_schemas::job_kinds)]
    kind: &'static str,
    #[schema(schema_with = enum_schemas::job_statuses)]
    status: &'static str,
    /// Why it was started, and for whom.
    #[schema(schema_with = enum_schemas::triggers)]
    trigger: &'static str,
    actor: String,
    /// Why it was requested, where that is said.
    reason: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// The time at which the job started; `null` while it is queued.
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
    /// The number of days to write; 0 until it is known.
    days_total: usize,
    days_done: usize,
    /// The entry in the collection log: `/api/v1/runs/{run_id}`.
    run_id: Option<Uuid>,
    /// The number of records written.
    recorded: Option<usize>,
    /// The number of records that already existed and were not changed.
    already_there: Option<usize>,
    failed: Vec<FailedMetric>,
    /// Why the job as a whole failed.
    error: Option<String>,
    /// What a restatement corrected, or would correct, once it has ended.
    restatement: Option<RestatementAnswer>,
}

/// What a restatement corrected, or with `dry_run` would correct.
#[derive(Debug, Serialize, ToSchema)]
pub struct RestatementAnswer {
    metric_category: String,
    /// The version of the definition by which the days were read.
    definition_version: i32,
    #[schema(value_type = String, format = Date)]
    from: Date,
    #[schema(value_type = String, format = Date)]
    to: Date,
    dry_run: bool,
    /// The number of days that were corrected, or would be.
    days_changed: usize,
    /// The number of days that agree with the platform.
    unchanged: usize,
    /// The number of days that were left as they are because the platform has lost rows of them since they were recorded.
    rows_lost: usize,
    /// The number of days that were left as they are because they were corrected by hand, or withdrawn.
    corrected_by_hand: usize,
    /// The number of days for which the present rows have no valid value.
    no_value: usize,
    /// The ten largest differences, the largest first.
    largest: Vec<RestatedEntry>,
    /// What no reading of past days can know.
    cannot_know: Vec<String>,
}

/// The values of a day that a restatement corrects.
#[derive(Debug, Serialize, ToSchema)]
pub struct RestatedEntry {
    #[schema(value_type = String, format = Date)]
    metric_date: Date,
    recorded_value: Decimal,
    /// The value in force before.
    before: Decimal,
    after: Decimal,
    difference: Decimal,
    /// Whether the platform has lost rows of the day since it was recorded.
    rows_lost: bool,
}

/// A metric that could not be recorded.
#[derive(Debug, Serialize, ToSchema)]
pub struct FailedMetric {
    metric_category: String,
    message: String,
    sqlstate: Option<String>,
}

impl From<JobState> for JobAnswer {
    fn from(JobState { job, days_total, days_done, result }: JobState) -> Self {
        let failed = result.iter().flat_map(|result| result.failures.clone()).map(FailedMetric::from);
        let reason = Task::from_spec(&job.spec).and_then(|task| task.reason().map(str::to_owned));
        let restatement = result.as_ref().and_then(|result| result.restatement.as_deref());
        Self {
            id: job.id,
            kind: job.kind.name(),
            status: job.status.name(),
            trigger: job.trigger.name(),
            actor: job.actor,
            reason,
            restatement: restatement.map(RestatementAnswer::from),
            created_at: job.created_at,
            started_at: job.started_at,
            finished_at: job.finished_at,
            days_total,
            days_done,
            run_id: job.run_id,
            recorded: result.as_ref().map(|result| result.recorded),
            already_there: result.as_ref().map(|result| result.already_there),
            failed: failed.collect(),
            error: result.and_then(|result| result.error),
        }
    }
}

impl From<&RestatementSummary> for RestatementAnswer {
    fn from(summary: &RestatementSummary) -> Self {
        let entry = |day: &jobs::RestatedValue| RestatedEntry {
            metric_date: day.date,
            recorded_value: day.recorded_value.clone(),
            before: day.before.clone(),
            after: day.after.clone(),
            difference: &day.after - &day.before,
            rows_lost: day.rows_lost,
        };
        Self {
            metric_category: summary.metric_category.clone(),
            definition_version: summary.definition_version,
            from: summary.from,
            to: summary.to,
            dry_run: summary.dry_run,
            days_changed: summary.days_changed,
            unchanged: summary.unchanged,
            rows_lost: summary.rows_lost,
            corrected_by_hand: summary.corrected_by_hand,
            no_value: summary.no_value,
            largest: summary.largest.iter().map(entry).collect(),
            cannot_know: summary.cannot_know.clone(),
        }
    }
}

impl From<jobs::JobFailure> for FailedMetric {
    fn from(failed: jobs::JobFailure) -> Self {
        let jobs::JobFailure { metric_category, message, sqlstate } = failed;
        Self { metric_category, message, sqlstate }
    }
}
