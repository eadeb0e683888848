//! `GET /api/v1/definitions/{category}`: one metric, its versions, and with the scope `define` how it is computed.

use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::HeaderMap,
    response::Response,
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    define::unreadable, error_responses::ErrorResponses, metric_schema::MetricSchema, no_query::NoQuery,
};
use crate::{
    access::Scope,
    config::written_metric,
    http::{
        answer::Answer, middleware::scopes::MayRead, parameters::Parameters, problem::Problem,
        service::Shared,
    },
    query::{self, DefinitionEntry, VersionEntry},
};

/// A metric in its current version.
#[derive(Serialize, ToSchema)]
pub struct DefinitionAnswer {
    #[serde(flatten)]
    definition: DefinitionEntry,
    /// All versions of the definition, including the current one.
    versions: Vec<VersionEntry>,
    /// The body with which PUT defines it; null without the scope `define`, because it names tables, columns and
    /// queries.
    #[schema(value_type = Option<MetricSchema>)]
    declaration: Option<Map<String, Value>>,
}

/// A metric
///
/// Returns the current version of the metric, active or not, and the time at which each version was created. With the
/// scope `define`, the answer has the declaration too, in the form that PUT accepts.
#[utoipa::path(
    get, path = "/api/v1/definitions/{category}", tag = "record",
    params(("category" = String, Path, description = "The metric's name", pattern = "^[a-z][a-z0-9_]{0,62}$")),
    responses(
        (status = 200, description = "The metric", body = DefinitionAnswer),
        (status = 404, description = "No metric has this name", body = Problem,
            content_type = "application/problem+json"),
        ErrorResponses,
    ),
)]
pub async fn definition(
    State(service): State<Shared>,
    MayRead(principal): MayRead,
    _: Parameters<NoQuery>,
    category: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Path(category) = category.map_err(unreadable)?;
    let catalogue = service.catalogue().await?;
    let metric = query::metric(&catalogue, &category)?;
    let answer = DefinitionAnswer {
        definition: query::definition_entry(&metric.stored),
        versions: query::versions(metric),
        declaration: principal.may(Scope::Define).then(|| written_metric(metric.definition())),
    };
    Ok(Answer::json(&answer)?.respond(&headers, "private, no-cache"))
}
