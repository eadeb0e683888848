//! Triggering a collection or a backfill, asking how far a job is, and cancelling it.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    body::JsonBody,
    error_responses::{BodyErrorResponses, ErrorResponses},
    job_answer::JobAnswer,
    members::{EmptyRequest, FromMembers, Members},
    no_query::NoQuery,
    path_text::PathText,
};
use crate::{
    access::{Principal, Scope},
    collect::{CollectError, unknown_metric},
    http::{
        middleware::scopes::{MayCollect, MayStartJobs},
        parameters::Parameters,
        problem::{InvalidParameter, Problem},
        service::{Service, Shared},
        uncached::Uncached,
    },
    jobs::{JobStartError, JobState, Task},
    store::{JobKind, Trigger},
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
    _: MayStartJobs,
    _: Parameters<NoQuery>,
    PathText(id): PathText,
) -> Result<Uncached<JobAnswer>, Problem> {
    let job = find(&service, &id).await?;
    Ok(Uncached(JobAnswer::from(job)))
}

/// Cancel a job
///
/// The job ends after its present commit, and is `interrupted` then; what it committed stays. Requesting the same again continues from
/// there. A job that has ended is left as it is. Cancelling a restatement requires the scope `correct`, other jobs the scope
/// `collect`. Only the server that runs a job can cancel it.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/cancel", tag = "jobs", params(("id" = Uuid, Path, description = "The job")),
    request_body = EmptyRequest,
    responses(
        (status = 200, description = "The job had ended", body = JobAnswer),
        (status = 202, description = "The job is asked to stop", body = JobAnswer),
        (status = 404, description = "No job has this id", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "Another server runs the job", body = Problem,
            content_type = "application/problem+json"),
        BodyErrorResponses,
        ErrorResponses,
    ),
)]
pub async fn cancel_job(
    State(service): State<Shared>,
    MayStartJobs(principal): MayStartJobs,
    _: Parameters<NoQuery>,
    PathText(id): PathText,
    _: JsonBody<EmptyRequest>,
) -> Result<Response, Problem> {
    let job = find(&service, &id).await?;
    let scope = if job.job.kind == JobKind::Restate { Scope::Correct } else { Scope::Collect };
    if !principal.may(scope) {
        return Err(Problem::forbidden(format!("cancelling this job requires the scope `{}`", scope.name())));
    }
    let status = match service.jobs.request_stop_of(job.job.id) {
        true => StatusCode::ACCEPTED,
        false => StatusCode::OK,
    };
    let job = find(&service, &id).await?;
    if status == StatusCode::OK && !job.job.status.is_finished() {
        let detail =
            format!("process {} on {} runs this job: cancel it there", job.job.process_id, job.job.host);
        return Err(Problem::conflict(detail));
    }
    tracing::info!(subject = &*principal.subject, job = %job.job.id, "a request cancelled a job");
    Ok((status, Json(JobAnswer::from(job))).into_response())
}

async fn find(service: &Service, id: &str) -> Result<JobState, Problem> {
    let unknown = || Problem::not_found("no job has this id; /api/v1/runs lists the runs of all jobs");
    let id = id.parse().map_err(|_| unknown())?;
    service.jobs.get(id).await?.ok_or_else(unknown)
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
        let categories = active().map(|metric| metric.key.category.as_str());
        let error =
            unknown_metric(&service.context, name, categories, "`GET /api/v1/definitions` lists the metrics");
        InvalidParameter { parameter: parameter.to_owned(), detail: error.to_string() }
    });
    let unknown: Vec<_> = unknown.collect();
    if unknown.is_empty() { Ok(()) } else { Err(Problem::invalid_parameters(unknown)) }
}

pub(super) async fn started(
    service: &Service,
    principal: &Principal,
    task: Task,
) -> Result<Response, Problem> {
    let job = service.jobs.start(task, Trigger::Api, &principal.subject).await?;
    tracing::info!(subject = &*principal.subject, job = %job.id(), "a request started a job");
    let location = format!("/api/v1/jobs/{}", job.id());
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(JobAnswer::from(job.state())))
        .into_response())
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
