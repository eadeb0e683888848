//! Triggering a collection or a backfill, and asking how far it is.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::{Timestamp, civil::Date};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    body::{FromMembers, JsonBody, Members},
    enum_schemas,
    error_responses::{BodyErrorResponses, ErrorResponses},
    no_query::NoQuery,
    path_text::PathText,
};
use crate::{
    access::Principal,
    collect::CollectError,
    config::{shown as shown_name, suggestion},
    http::{
        middleware::scopes::MayCollect,
        parameters::Parameters,
        problem::{InvalidParameter, Problem},
        service::{Service, Shared},
    },
    jobs::{self, JobStartError, JobState, Task},
    store::Trigger,
};

/// What to collect.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CollectRequest)]
pub struct CollectBody {
    /// The day to record; by default the last finished one.
    #[schema(value_type = Option<String>, format = Date)]
    date: Option<Date>,
    /// Only these metrics; by default all active ones.
    #[schema(min_items = 1, required = false)]
    metrics: Vec<String>,
}

/// What to reconstruct.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BackfillRequest)]
pub struct BackfillBody {
    /// The first day; by default the day of the earliest row of all sources.
    #[schema(value_type = Option<String>, format = Date)]
    from: Option<Date>,
    /// The last day; by default the last finished one.
    #[schema(value_type = Option<String>, format = Date)]
    to: Option<Date>,
    /// Only these metrics; by default all active ones.
    #[schema(min_items = 1, required = false)]
    metrics: Vec<String>,
}

/// A run that a request started.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobAnswer {
    id: Uuid,
    #[schema(schema_with = enum_schemas::run_kinds)]
    kind: &'static str,
    #[schema(schema_with = enum_schemas::job_statuses)]
    status: &'static str,
    /// Why it was started, and for whom.
    #[schema(schema_with = enum_schemas::triggers)]
    trigger: &'static str,
    actor: String,
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
}

/// A metric that could not be recorded.
#[derive(Debug, Serialize, ToSchema)]
pub struct FailedMetric {
    metric_category: String,
    message: String,
    sqlstate: Option<String>,
}

impl FromMembers for CollectBody {
    fn read(members: &mut Members) -> Self {
        Self { date: members.date("date"), metrics: members.names("metrics") }
    }
}

impl FromMembers for BackfillBody {
    fn read(members: &mut Members) -> Self {
        Self { from: members.date("from"), to: members.date("to"), metrics: members.names("metrics") }
    }
}

/// Collect a day
///
/// Starts a job that records the given day, or the last finished day. Existing records are not changed. While the job
/// runs, an equal request returns the same job. At most eight jobs run at once; a further request is answered with 503.
#[utoipa::path(
    post, path = "/api/v1/collections", tag = "jobs", request_body = CollectBody,
    responses(
        (status = 202, description = "The job was started, or an equal one is running. `Location` is its path.", body = JobAnswer,
            headers(("Location" = String, description = "The path of the job"))),
        (status = 409, description = "The day is not finished, or no metric is defined", body = Problem,
            content_type = "application/problem+json"),
        BodyErrorResponses,
        ErrorResponses,
    ),
)]
pub async fn collect(
    State(service): State<Shared>,
    MayCollect(principal): MayCollect,
    _: Parameters<NoQuery>,
    JsonBody(request): JsonBody<CollectBody>,
) -> Result<Response, Problem> {
    let date = request.date.unwrap_or_else(|| service.context.last_finished());
    service.context.require_recordable(date)?;
    require_active(&service, "metrics", &request.metrics).await?;
    started(&service, &principal, Task::Collect { date, metrics: request.metrics }).await
}

/// Backfill a range
///
/// Starts a job that reconstructs the missing days from the platform's present rows. Existing records are not changed.
/// While the job runs, an equal request returns the same job. At most eight jobs run at once; a further request is
/// answered with 503.
#[utoipa::path(
    post, path = "/api/v1/backfills", tag = "jobs", request_body = BackfillBody,
    responses(
        (status = 202, description = "The job was started, or an equal one is running. `Location` is its path.", body = JobAnswer,
            headers(("Location" = String, description = "The path of the job"))),
        (status = 409, description = "The last day is not finished, or no metric is defined", body = Problem,
            content_type = "application/problem+json"),
        BodyErrorResponses,
        ErrorResponses,
    ),
)]
pub async fn backfill(
    State(service): State<Shared>,
    MayCollect(principal): MayCollect,
    _: Parameters<NoQuery>,
    JsonBody(request): JsonBody<BackfillBody>,
) -> Result<Response, Problem> {
    let BackfillBody { from, to, metrics } = request;
    for date in [from, to].into_iter().flatten() {
        service.context.require_recordable(date)?;
    }
    if let Some((from, to)) = from.zip(to).filter(|(from, to)| from > to) {
        return Err(CollectError::EmptyRange { from, to }.into());
    }
    require_active(&service, "metrics", &metrics).await?;
    // The day is always stored, so that a request that names the default day and one that leaves it out start the same job.
    let to = Some(to.unwrap_or_else(|| service.context.last_finished()));
    started(&service, &principal, Task::Backfill { from, to, metrics }).await
}

/// The progress of a job
///
/// Jobs are kept when the server ends. A job whose server ended before it did is `interrupted`. The collection log has
/// an entry for each run of a job.
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}", tag = "jobs", params(("id" = Uuid, Path, description = "The job")),
    responses(
        (status = 200, description = "The job", body = JobAnswer),
        (status = 404, description = "No job has this id", body = Problem,
            content_type = "application/problem+json"),
        ErrorResponses,
    ),
)]
pub async fn show(
    State(service): State<Shared>,
    _: MayCollect,
    _: Parameters<NoQuery>,
    PathText(id): PathText,
) -> Result<Response, Problem> {
    let unknown = || Problem::not_found("no job has this id; /api/v1/runs lists the runs of all jobs");
    let id = id.parse().map_err(|_| unknown())?;
    let job = service.jobs.get(id).await?.ok_or_else(unknown)?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(JobAnswer::from(job))).into_response())
}

/// Fails with a problem of `parameter` where a name is not that of an active metric.
pub(super) async fn require_active(
    service: &Service,
    parameter: &str,
    names: &[String],
) -> Result<(), Problem> {
    let catalogue = service.catalogue().await?;
    let active = || catalogue.metrics().iter().filter(|metric| metric.stored.is_active);
    if active().next().is_none() {
        return Err(CollectError::NoDefinitions.into());
    }
    let is_active = |name: &&String| active().any(|metric| metric.key.category == **name);
    let unknown = names.iter().filter(|name| !is_active(name)).map(|name| {
        let hint = suggestion(name, active().map(|metric| metric.key.category.as_str()));
        let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        let detail = format!("no active metric is called {}{hint}", shown_name(name));
        InvalidParameter { parameter: parameter.to_owned(), detail }
    });
    let unknown: Vec<_> = unknown.collect();
    if unknown.is_empty() { Ok(()) } else { Err(Problem::invalid_parameters(unknown)) }
}

async fn started(service: &Service, principal: &Principal, task: Task) -> Result<Response, Problem> {
    let job = service.jobs.start(task, Trigger::Api, &principal.subject).await?;
    tracing::info!(subject = &*principal.subject, job = %job.id(), "a request started a job");
    let location = format!("/api/v1/jobs/{}", job.id());
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(JobAnswer::from(job.state())))
        .into_response())
}

impl From<JobState> for JobAnswer {
    fn from(JobState { job, days_total, days_done, result }: JobState) -> Self {
        let failed = result.iter().flat_map(|result| result.failures.clone()).map(FailedMetric::from);
        Self {
            id: job.id,
            kind: job.kind.name(),
            status: job.status.name(),
            trigger: job.trigger.name(),
            actor: job.actor,
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

impl From<jobs::JobFailure> for FailedMetric {
    fn from(failed: jobs::JobFailure) -> Self {
        let jobs::JobFailure { metric_category, message, sqlstate } = failed;
        Self { metric_category, message, sqlstate }
    }
}

impl From<JobStartError> for Problem {
    fn from(error: JobStartError) -> Self {
        if let JobStartError::Store(error) = error {
            return error.into();
        }
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too-many-runs", "Too many jobs are running")
            .detail(error.to_string())
            .retry_after(JobStartError::RETRY_AFTER_S)
    }
}
