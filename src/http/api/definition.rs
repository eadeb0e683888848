//! `GET /api/v1/definitions/{category}`: one metric, its versions, and with the scope `define` how it is computed.

use std::collections::BTreeMap;

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
        answer::Answer,
        middleware::scopes::MayRead,
        parameters::Parameters,
        problem::Problem,
        service::{Service, Shared},
    },
    query::{self, CatalogueMetric, DefinitionEntry, VersionEntry},
};

/// A metric in its current version.
#[derive(Serialize, ToSchema)]
pub struct DefinitionAnswer {
    #[serde(flatten)]
    definition: DefinitionEntry,
    /// All versions of the definition, including the current one.
    versions: Vec<VersionAnswer>,
    /// The body with which PUT defines it; null without the scope `define`, because it names tables, columns and
    /// queries. Null for a derived metric, which is declared in daymark.toml only.
    #[schema(value_type = Option<MetricSchema>)]
    declaration: Option<Map<String, Value>>,
}

/// A version of a definition. Each record has the version from which its value was computed.
#[derive(Serialize, ToSchema)]
pub struct VersionAnswer {
    #[serde(flatten)]
    entry: VersionEntry,
    /// The declaration of this version; null without the scope `define`.
    #[schema(value_type = Option<MetricSchema>)]
    declaration: Option<Map<String, Value>>,
}

/// A metric
///
/// Returns the current version of the metric, active or not, and the time at which each version was created. With the
/// scope `define`, the answer has the declarations too, in the form that PUT accepts.
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
    if let Some(metric) = query::derived_metric(&catalogue, &category) {
        let definition = query::derived_entry(metric);
        let answer = DefinitionAnswer { definition, versions: Vec::new(), declaration: None };
        return Ok(Answer::json(&answer)?.respond(&headers, "private, no-cache"));
    }
    let metric = query::metric(&catalogue, &category)?;
    let may_define = principal.may(Scope::Define);
    let mut declarations = match may_define {
        true => earlier_declarations(&service, metric).await?,
        false => BTreeMap::new(),
    };
    let versions = query::versions(metric).into_iter();
    let answer = DefinitionAnswer {
        definition: query::definition_entry(&metric.stored),
        versions: versions
            .map(|entry| VersionAnswer { declaration: declarations.remove(&entry.version), entry })
            .collect(),
        declaration: may_define.then(|| written_metric(metric.definition())),
    };
    Ok(Answer::json(&answer)?.respond(&headers, "private, no-cache"))
}

/// The declarations of the versions of a metric, by number.
async fn earlier_declarations(
    service: &Service,
    metric: &CatalogueMetric,
) -> Result<BTreeMap<i32, Map<String, Value>>, Problem> {
    let versions = service.context.tenant.store.definition_versions().await?;
    let of_metric = versions.into_iter().filter(|version| version.key == metric.key);
    Ok(of_metric.map(|version| (version.version, written_metric(&version.definition))).collect())
}
