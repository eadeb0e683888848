//! `GET /api/v1/health/collection`: what an operator asks about the collection.

use axum::extract::State;

use super::{error_responses::ErrorResponses, no_query::NoQuery};
use crate::{
    http::{
        middleware::scopes::MaySeeLog, parameters::Parameters, problem::Problem, service::Shared,
        uncached::Uncached,
    },
    query::{self, HealthResponse, OwnQueries},
};

/// The health of the collection
///
/// Runs and their success, gaps with their causes, the platform's lag, the schedule and its leader, and the query times of the
/// process that answers. A value that cannot be determined is null, and `unknown` says why.
#[utoipa::path(
    get, path = "/api/v1/health/collection", tag = "runs",
    responses((status = 200, description = "The health of the collection", body = HealthResponse), ErrorResponses),
)]
pub async fn collection_health(
    State(service): State<Shared>,
    _: MaySeeLog,
    _: Parameters<NoQuery>,
) -> Result<Uncached<HealthResponse>, Problem> {
    let queries = OwnQueries::Of(service.counters.query_times());
    let health = query::health(&service.context, queries).await?;
    Ok(Uncached(health))
}
