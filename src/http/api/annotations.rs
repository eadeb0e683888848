//! `/api/v1/annotations`: notes on days, such as releases and incidents, which charts show.

use axum::{Json, extract::State, http::StatusCode};
use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    body::JsonBody,
    error_responses::{BodyErrorResponses, ErrorResponses},
    members::{FromMembers, Members},
    no_query::NoQuery,
    path_text::PathText,
};
use crate::{
    annotations::{self, AnnotationError},
    http::{
        middleware::scopes::{MayDefine, MayRead},
        parameters::Parameters,
        problem::{InvalidParameter, Problem},
        service::Shared,
        uncached::Uncached,
    },
    query::day,
    store::{Annotation, AnnotationText, Trigger},
};

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AnnotationsParameters {
    /// The first day, `YYYY-MM-DD`; by default there is no first one
    #[param(format = Date)]
    from: Option<String>,
    /// The last day, `YYYY-MM-DD`; by default there is no last one
    #[param(format = Date)]
    to: Option<String>,
}

/// Notes on days.
#[derive(Debug, Serialize, ToSchema)]
pub struct AnnotationsAnswer {
    /// By their last day, the newest first.
    annotations: Vec<AnnotationEntry>,
    /// Whether older ones were left out, because an answer has 1,000 at most.
    truncated: bool,
}

/// A note on a day, or on a range of days.
#[derive(Debug, Serialize, ToSchema)]
pub struct AnnotationEntry {
    id: Uuid,
    #[schema(value_type = String, format = Date)]
    from: Date,
    #[schema(value_type = String, format = Date)]
    to: Date,
    /// The metric that it is about; null: all metrics.
    metric_category: Option<String>,
    text: String,
    /// By the clock of the store's database, as is `changed_at`.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    created_by: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    changed_at: Option<Timestamp>,
    changed_by: Option<String>,
}

/// What an annotation says.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnnotationRequest {
    /// The first day.
    #[schema(value_type = String, format = Date)]
    from: Option<Date>,
    /// The last day; by default the first one.
    #[schema(value_type = Option<String>, format = Date)]
    to: Option<Date>,
    /// The metric that it is about; null: all metrics.
    metric_category: Option<String>,
    #[schema(min_length = 1, max_length = 1000)]
    text: String,
}

impl FromMembers for AnnotationRequest {
    fn read(members: &mut Members) -> Self {
        Self {
            from: members.required_date("from"),
            to: members.date("to"),
            metric_category: members.optional_text("metric_category"),
            text: members.text("text"),
        }
    }
}

impl AnnotationRequest {
    /// A request without a first day was refused when its body was read.
    fn content(self) -> AnnotationText {
        let first_day = self.from.unwrap_or(Date::MIN);
        let last_day = self.to.unwrap_or(first_day);
        AnnotationText { first_day, last_day, category: self.metric_category, text: self.text }
    }
}

/// Annotations
///
/// The notes on days of a range: those that begin or end in it, or last over it.
#[utoipa::path(
    get, path = "/api/v1/annotations", tag = "record", params(AnnotationsParameters),
    responses((status = 200, description = "The annotations", body = AnnotationsAnswer), ErrorResponses),
)]
pub async fn list_annotations(
    State(service): State<Shared>,
    _: MayRead,
    Parameters(parameters): Parameters<AnnotationsParameters>,
) -> Result<Uncached<AnnotationsAnswer>, Problem> {
    let mut problems = Vec::new();
    let mut date = |parameter: &str, text: Option<String>| {
        let parsed = text.as_deref().map(day::parse).transpose();
        parsed.unwrap_or_else(|detail| {
            problems.push(InvalidParameter { parameter: parameter.to_owned(), detail });
            None
        })
    };
    let (from, to) = (date("from", parameters.from), date("to", parameters.to));
    if !problems.is_empty() {
        return Err(Problem::invalid_parameters(problems));
    }
    let found = annotations::annotations(&service.context, from, to).await?;
    let answer = AnnotationsAnswer {
        annotations: found.annotations.into_iter().map(AnnotationEntry::from).collect(),
        truncated: found.truncated,
    };
    Ok(Uncached(answer))
}

/// Annotate days
///
/// Adds a note, which the charts of the dashboard show. Records are not changed by it.
#[utoipa::path(
    post, path = "/api/v1/annotations", tag = "definitions", request_body = AnnotationRequest,
    responses(
        (status = 201, description = "The annotation", body = AnnotationEntry),
        BodyErrorResponses,
        ErrorResponses,
    ),
)]
pub async fn annotate(
    State(service): State<Shared>,
    MayDefine(principal): MayDefine,
    _: Parameters<NoQuery>,
    JsonBody(request): JsonBody<AnnotationRequest>,
) -> Result<(StatusCode, Json<AnnotationEntry>), Problem> {
    let context = service.context.started_by(Trigger::Api, &principal.subject);
    let added = annotations::annotate(&context, request.content()).await?;
    service.cache.changed_here();
    Ok((StatusCode::CREATED, Json(AnnotationEntry::from(added))))
}

/// Change an annotation
#[utoipa::path(
    put, path = "/api/v1/annotations/{id}", tag = "definitions", request_body = AnnotationRequest,
    params(("id" = Uuid, Path, description = "The annotation")),
    responses(
        (status = 200, description = "The annotation", body = AnnotationEntry),
        (status = 404, description = "There is no annotation with this id", body = Problem, content_type = "application/problem+json"),
        BodyErrorResponses,
        ErrorResponses,
    ),
)]
pub async fn change_annotation(
    State(service): State<Shared>,
    MayDefine(principal): MayDefine,
    _: Parameters<NoQuery>,
    PathText(id): PathText,
    JsonBody(request): JsonBody<AnnotationRequest>,
) -> Result<Json<AnnotationEntry>, Problem> {
    let id: Uuid = id.parse().map_err(|_| unknown_annotation())?;
    let context = service.context.started_by(Trigger::Api, &principal.subject);
    let changed = annotations::change_annotation(&context, id, request.content()).await?;
    service.cache.changed_here();
    let changed = changed.ok_or_else(unknown_annotation)?;
    Ok(Json(AnnotationEntry::from(changed)))
}

/// Delete an annotation
#[utoipa::path(
    delete, path = "/api/v1/annotations/{id}", tag = "definitions",
    params(("id" = Uuid, Path, description = "The annotation")),
    responses(
        (status = 204, description = "It is deleted"),
        (status = 404, description = "There is no annotation with this id", body = Problem, content_type = "application/problem+json"),
        ErrorResponses,
    ),
)]
pub async fn delete_annotation(
    State(service): State<Shared>,
    MayDefine(principal): MayDefine,
    _: Parameters<NoQuery>,
    PathText(id): PathText,
) -> Result<StatusCode, Problem> {
    let id: Uuid = id.parse().map_err(|_| unknown_annotation())?;
    if !service.context.tenant.store.delete_annotation(id).await? {
        return Err(unknown_annotation());
    }
    service.cache.changed_here();
    tracing::info!(subject = &*principal.subject, %id, "an annotation was deleted");
    Ok(StatusCode::NO_CONTENT)
}

fn unknown_annotation() -> Problem {
    Problem::not_found("there is no annotation with this id; /api/v1/annotations lists all annotations")
}

impl From<Annotation> for AnnotationEntry {
    fn from(annotation: Annotation) -> Self {
        let AnnotationText { first_day, last_day, category, text } = annotation.content;
        Self {
            id: annotation.id,
            from: first_day,
            to: last_day,
            metric_category: category,
            text,
            created_at: annotation.created_at,
            created_by: annotation.created_by,
            changed_at: annotation.changed_at,
            changed_by: annotation.changed_by,
        }
    }
}

impl From<AnnotationError> for Problem {
    fn from(error: AnnotationError) -> Self {
        let parameter = match &error {
            AnnotationError::Store(error) if error.is_denied() => {
                tracing::error!(%error, "the store refused a change of annotations");
                return Self::forbidden(
                    "the database role of this server may not change annotations in its store; docs/quickstart-postgresql.md has the grants",
                );
            }
            AnnotationError::Store(error) => return error.clone().into(),
            AnnotationError::Text => "text",
            AnnotationError::EndsBefore { .. } | AnnotationError::TooLong { .. } => "to",
            AnnotationError::OutOfRange { .. } => "from",
            AnnotationError::UnknownMetric { .. } => "metric_category",
        };
        let wrong = InvalidParameter { parameter: parameter.to_owned(), detail: error.to_string() };
        Self::invalid_body(vec![wrong])
    }
}
