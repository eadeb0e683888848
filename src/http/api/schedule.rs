//! The schedule: `GET /api/v1/schedule`, and pausing and resuming it.

use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    body::JsonBody,
    error_responses::{BodyErrorResponses, ErrorResponses},
    members::{EmptyRequest, FromMembers, Members},
    no_query::NoQuery,
};
use crate::{
    access::Principal,
    collect::{self, Context, PauseError},
    http::{
        middleware::scopes::{MayCollect, MaySeeLog},
        parameters::Parameters,
        problem::{InvalidParameter, Problem},
        service::{Service, Shared},
        uncached::Uncached,
    },
    query::{self, ScheduleResponse},
    store::Trigger,
};

/// A pause of the schedule.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseRequest {
    /// The reason, which the schedule shows to its readers.
    #[schema(min_length = 1, max_length = 1000)]
    reason: String,
    /// The time at which it ends; by default it lasts until the schedule is resumed.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

impl FromMembers for PauseRequest {
    fn read(members: &mut Members) -> Self {
        Self { reason: members.text("reason"), until: members.instant("until") }
    }
}

/// The schedule
///
/// Returns the next run, the instance that leads the schedule, and the pause that is in force.
#[utoipa::path(
    get, path = "/api/v1/schedule", tag = "runs",
    responses((status = 200, description = "The schedule", body = ScheduleResponse), ErrorResponses),
)]
pub async fn schedule(
    State(service): State<Shared>,
    _: MaySeeLog,
    _: Parameters<NoQuery>,
) -> Result<Uncached<ScheduleResponse>, Problem> {
    answered(&service).await
}

/// Pause the schedule
///
/// Nothing is collected on schedule until the pause ends. Runs in progress continue, and the API can still start runs.
/// The new pause replaces one that is in force.
#[utoipa::path(
    post, path = "/api/v1/schedule/pause", tag = "jobs", request_body = PauseRequest,
    responses(
        (status = 200, description = "The paused schedule", body = ScheduleResponse),
        BodyErrorResponses,
        ErrorResponses,
    ),
)]
pub async fn pause_schedule(
    State(service): State<Shared>,
    MayCollect(principal): MayCollect,
    _: Parameters<NoQuery>,
    JsonBody(request): JsonBody<PauseRequest>,
) -> Result<Uncached<ScheduleResponse>, Problem> {
    collect::pause(&acting(&service, &principal), &request.reason, request.until).await?;
    tracing::info!(subject = &*principal.subject, reason = request.reason, "the schedule was paused");
    answered(&service).await
}

/// Resume the schedule
///
/// The leader then collects the days that were missed during the pause. Resuming a schedule that is not paused changes
/// nothing.
#[utoipa::path(
    post, path = "/api/v1/schedule/resume", tag = "jobs", request_body = EmptyRequest,
    responses(
        (status = 200, description = "The schedule", body = ScheduleResponse),
        BodyErrorResponses,
        ErrorResponses,
    ),
)]
pub async fn resume_schedule(
    State(service): State<Shared>,
    MayCollect(principal): MayCollect,
    _: Parameters<NoQuery>,
    _: JsonBody<EmptyRequest>,
) -> Result<Uncached<ScheduleResponse>, Problem> {
    if collect::resume(&acting(&service, &principal)).await? {
        tracing::info!(subject = &*principal.subject, "the schedule was resumed");
    }
    answered(&service).await
}

fn acting(service: &Service, principal: &Principal) -> Context {
    service.context.started_by(Trigger::Api, &principal.subject)
}

async fn answered(service: &Service) -> Result<Uncached<ScheduleResponse>, Problem> {
    let schedule = query::schedule(&service.context).await?;
    Ok(Uncached(schedule))
}

impl From<PauseError> for Problem {
    fn from(error: PauseError) -> Self {
        let parameter = match &error {
            PauseError::Store(error) => return error.clone().into(),
            PauseError::Reason => "reason",
            PauseError::AlreadyOver { .. } => "until",
        };
        let wrong = InvalidParameter { parameter: parameter.to_owned(), detail: error.to_string() };
        Self::invalid_body(vec![wrong])
    }
}
