//! `PUT` and `DELETE /api/v1/definitions/{category}`: making, changing and switching off a metric.

use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::StatusCode,
};
use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    body::JsonBody,
    error_responses::{BodyErrorResponses, ErrorResponses},
    metric_schema::MetricSchema,
    no_query::NoQuery,
};
use crate::{
    collect::EarlierMeaning,
    http::{
        middleware::scopes::MayDefine,
        parameters::Parameters,
        problem::{InvalidParameter, Problem},
        service::{Service, Shared},
        uncached::Uncached,
    },
    query::{DefinitionEntry, definition_entry},
};

/// A definition that was created or changed, or was already the same.
#[derive(Debug, Serialize, ToSchema)]
pub struct DefinedAnswer {
    #[serde(flatten)]
    definition: DefinitionEntry,
    /// Parts of the definition that may be mistakes.
    warnings: Vec<InvalidParameter>,
    /// The recorded days that keep the meaning of an earlier version; null where there are none.
    earlier_days: Option<EarlierDays>,
}

/// Recorded days of a metric that were recorded under another meaning than that of its definition.
#[derive(Debug, Serialize, ToSchema)]
pub struct EarlierDays {
    #[schema(value_type = String, format = Date)]
    from: Date,
    #[schema(value_type = String, format = Date)]
    to: Date,
    days: usize,
    /// Whether `POST /api/v1/restatements` can read them again under the newest definition; `dry_run` shows what would change.
    can_be_restated: bool,
}

impl From<EarlierMeaning> for EarlierDays {
    fn from(earlier: EarlierMeaning) -> Self {
        let EarlierMeaning { first, last, days, can_be_restated, .. } = earlier;
        Self { from: first, to: last, days, can_be_restated }
    }
}

/// Create or change a metric
///
/// The body has the keys of a `[metrics.…]` section of daymark.toml, in JSON. It can use the sources of the server's
/// daymark.toml and of the preset, and the platform must be able to plan its statements. A changed definition becomes
/// the next version of the metric. Existing records are not changed; `earlier_days` counts those that keep the earlier meaning.
#[utoipa::path(
    put, path = "/api/v1/definitions/{category}", tag = "definitions", request_body = MetricSchema,
    params(("category" = String, Path, description = "The metric's name", pattern = "^[a-z][a-z0-9_]{0,62}$")),
    responses(
        (status = 200, description = "The metric existed: it was changed or switched on, or was already so", body = DefinedAnswer),
        (status = 201, description = "The metric was created", body = DefinedAnswer),
        (status = 409, description = "A metric of daymark.toml or the preset has this name, or the definitions have not been applied", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The definition is wrong; `errors` lists every mistake", body = Problem,
            content_type = "application/problem+json"),
        BodyErrorResponses,
        ErrorResponses,
    ),
)]
pub async fn define(
    State(service): State<Shared>,
    MayDefine(principal): MayDefine,
    _: Parameters<NoQuery>,
    category: Result<Path<String>, PathRejection>,
    JsonBody(body): JsonBody<Map<String, Value>>,
) -> Result<(StatusCode, Uncached<DefinedAnswer>), Problem> {
    let Path(category) = category.map_err(unreadable)?;
    guard_query(&service, &body).await?;
    // The semaphore is never closed, so this cannot fail.
    let _permit = service.checks.acquire().await;
    let defined = crate::definitions::define(&service.context, &service.config, &category, &body).await?;
    service.cache.changed_here();
    let version = defined.stored.version;
    tracing::info!(subject = &*principal.subject, category, version, "a request made a definition");
    let status = if defined.is_new { StatusCode::CREATED } else { StatusCode::OK };
    let answer = DefinedAnswer {
        definition: definition_entry(&defined.stored),
        warnings: defined.warnings.into_iter().map(InvalidParameter::from).collect(),
        earlier_days: defined.earlier_meaning.map(EarlierDays::from),
    };
    Ok((status, Uncached(answer)))
}

/// # Errors
/// When the declaration has a query of its own, and the platform's role may do more than read.
pub(super) async fn guard_query(service: &Service, declaration: &Map<String, Value>) -> Result<(), Problem> {
    match service.guards_platform_role && declaration.get("measure").is_some_and(|measure| measure == "sql") {
        true => require_reading_role(service).await,
        false => Ok(()),
    }
}

/// # Errors
/// When the platform's role may do more than read. A query can use such privileges in a read-only transaction, too.
async fn require_reading_role(service: &Service) -> Result<(), Problem> {
    let privileges = service.context.tenant.platform.privileges().await.map_err(|error| {
        tracing::error!(%error, "the privileges of the platform's role cannot be read");
        Problem::unavailable(
            "the platform cannot be read at the moment; try again later (the server's log has the reason)",
        )
    })?;
    match privileges.is_empty() {
        true => Ok(()),
        false => Err(Problem::forbidden(format!(
            "the platform's role may do more than read ({}), and a query could use that: define this metric in daymark.toml, or \
             have the server use a role that has no privilege but SELECT",
            privileges.join(", ")
        ))),
    }
}

/// Switch a metric off
///
/// The metric is no longer collected. Its records and versions are kept. PUT with the same name switches it on again.
#[utoipa::path(
    delete, path = "/api/v1/definitions/{category}", tag = "definitions",
    params(("category" = String, Path, description = "The metric's name", pattern = "^[a-z][a-z0-9_]{0,62}$")),
    responses(
        (status = 204, description = "The metric is switched off"),
        (status = 404, description = "No metric has this name", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "The metric is defined in daymark.toml or the preset", body = Problem,
            content_type = "application/problem+json"),
        ErrorResponses,
    ),
)]
pub async fn switch_off(
    State(service): State<Shared>,
    MayDefine(principal): MayDefine,
    _: Parameters<NoQuery>,
    category: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let Path(category) = category.map_err(unreadable)?;
    crate::definitions::switch_off(&service.context, &service.config, &category).await?;
    service.cache.changed_here();
    tracing::info!(subject = &*principal.subject, category, "a request switched a metric off");
    Ok(StatusCode::NO_CONTENT)
}

pub(super) fn unreadable(rejection: PathRejection) -> Problem {
    let detail = format!("the metric's name cannot be read: {}", rejection.body_text());
    Problem::invalid_parameters(vec![InvalidParameter { parameter: "category".to_owned(), detail }])
}
