//! `GET /api/v1/definitions/{category}/sql`: the statements that a collection runs for a metric.

use axum::extract::{Path, State, rejection::PathRejection};
use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;

use super::{define::unreadable, error_responses::ErrorResponses, no_query::NoQuery};
use crate::{
    definitions,
    http::{
        middleware::scopes::MayDefine, parameters::Parameters, problem::Problem, service::Shared,
        uncached::Uncached,
    },
    query,
};

/// The statements of a metric.
#[derive(Debug, Serialize, ToSchema)]
pub struct SqlAnswer {
    /// The day that they are of: the last finished one.
    #[schema(value_type = String, format = Date)]
    date: Date,
    statements: Vec<StatementEntry>,
}

/// A statement on the platform.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatementEntry {
    /// What it is for, and the access path that it expects.
    purpose: String,
    sql: String,
}

/// The SQL of a metric
///
/// Returns the statements that a collection of the last finished day would run on the platform if this were the only metric. A
/// collection of several metrics combines them. Nothing is run.
#[utoipa::path(
    get, path = "/api/v1/definitions/{category}/sql", tag = "definitions",
    params(("category" = String, Path, description = "The metric's name", pattern = "^[a-z][a-z0-9_]{0,62}$")),
    responses(
        (status = 200, description = "The statements", body = SqlAnswer),
        (status = 404, description = "No metric has this name", body = Problem,
            content_type = "application/problem+json"),
        ErrorResponses,
    ),
)]
pub async fn definition_sql(
    State(service): State<Shared>,
    _: MayDefine,
    _: Parameters<NoQuery>,
    category: Result<Path<String>, PathRejection>,
) -> Result<Uncached<SqlAnswer>, Problem> {
    let Path(category) = category.map_err(unreadable)?;
    let catalogue = service.catalogue().await?;
    let metric = query::metric(&catalogue, &category)?;
    // The semaphore is never closed, so this cannot fail.
    let _permit = service.checks.acquire().await;
    let date = service.context.last_finished();
    let days = service.context.tenant.calendar.days(date, date);
    let statements = definitions::plan(&service.context, &[metric.definition().clone()], &days).await?;
    let statements =
        statements.into_iter().map(|planned| StatementEntry { purpose: planned.purpose, sql: planned.sql });
    let answer = SqlAnswer { date, statements: statements.collect() };
    Ok(Uncached(answer))
}
