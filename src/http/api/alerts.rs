//! `GET /api/v1/alerts`, and silencing them.

use axum::{Json, extract::State, http::StatusCode};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    body::JsonBody,
    error_responses::{BodyErrorResponses, ErrorResponses},
    members::{FromMembers, Members},
    no_query::NoQuery,
    path_text::PathText,
};
use crate::{
    alerts::{self, SilenceError},
    http::{
        middleware::scopes::{MayCollect, MaySeeLog},
        parameters::Parameters,
        problem::{InvalidParameter, Problem},
        service::Shared,
        uncached::Uncached,
    },
    query::{self, AlertsResponse, SilenceEntry},
    store::Trigger,
};

/// A period during which no notification is sent that alerts fire.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SilenceRequest {
    /// The rule; null: all rules.
    rule: Option<String>,
    /// The reason, which readers of the alerts see.
    #[schema(min_length = 1, max_length = 1000)]
    reason: String,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    until: Option<Timestamp>,
}

impl FromMembers for SilenceRequest {
    fn read(members: &mut Members) -> Self {
        Self {
            rule: members.optional_text("rule"),
            reason: members.text("reason"),
            until: members.required_instant("until"),
        }
    }
}

/// Alerts
///
/// The rules with their states, and the silences that hold.
#[utoipa::path(
    get, path = "/api/v1/alerts", tag = "alerts",
    responses((status = 200, description = "The alerts", body = AlertsResponse), ErrorResponses),
)]
pub async fn list_alerts(
    State(service): State<Shared>,
    _: MaySeeLog,
    _: Parameters<NoQuery>,
) -> Result<Uncached<AlertsResponse>, Problem> {
    let declared = &service.config.declarations;
    let channels: Vec<_> = declared.channels.iter().map(|channel| channel.name.clone()).collect();
    let answer = query::alerts(&service.context, &declared.alerts, &channels).await?;
    Ok(Uncached(answer))
}

/// Silence an alert
///
/// Until the end of the silence no notification is sent that the alert fires. Channels that were notified before that it fires are still notified of its end.
#[utoipa::path(
    post, path = "/api/v1/alerts/silences", tag = "alerts", request_body = SilenceRequest,
    responses(
        (status = 201, description = "The silence", body = SilenceEntry),
        BodyErrorResponses,
        ErrorResponses,
    ),
)]
pub async fn silence_alerts(
    State(service): State<Shared>,
    MayCollect(principal): MayCollect,
    _: Parameters<NoQuery>,
    JsonBody(request): JsonBody<SilenceRequest>,
) -> Result<(StatusCode, Json<SilenceEntry>), Problem> {
    let context = service.context.started_by(Trigger::Api, &principal.subject);
    let (rules, rule) = (&service.config.declarations.alerts, request.rule.as_deref());
    // A request without an end was refused when its body was read.
    let until = request.until.unwrap_or(Timestamp::MIN);
    let silence = alerts::silence(&context, rules, rule, &request.reason, until).await?;
    tracing::info!(subject = &*principal.subject, rule, reason = request.reason, "alerts were silenced");
    Ok((StatusCode::CREATED, Json(SilenceEntry::from(silence))))
}

/// End a silence
#[utoipa::path(
    delete, path = "/api/v1/alerts/silences/{id}", tag = "alerts", params(("id" = Uuid, Path, description = "The silence")),
    responses(
        (status = 204, description = "It has ended"),
        (status = 404, description = "No silence with this id holds", body = Problem, content_type = "application/problem+json"),
        ErrorResponses,
    ),
)]
pub async fn end_silence(
    State(service): State<Shared>,
    MayCollect(principal): MayCollect,
    _: Parameters<NoQuery>,
    PathText(id): PathText,
) -> Result<StatusCode, Problem> {
    let missing = || Problem::not_found("no silence with this id holds; /api/v1/alerts lists those that do");
    let id: Uuid = id.parse().map_err(|_| missing())?;
    let context = service.context.started_by(Trigger::Api, &principal.subject);
    match alerts::unsilence(&context, id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(missing()),
    }
}

impl From<SilenceError> for Problem {
    fn from(error: SilenceError) -> Self {
        let parameter = match &error {
            SilenceError::Store(error) => return error.clone().into(),
            SilenceError::Reason => "reason",
            SilenceError::AlreadyOver { .. } | SilenceError::TooLong { .. } => "until",
            SilenceError::UnknownRule { .. } => "rule",
        };
        let wrong = InvalidParameter { parameter: parameter.to_owned(), detail: error.to_string() };
        Self::invalid_body(vec![wrong])
    }
}
