//! `GET /api/v1/drift/recorded`: what the nightly recounts of recorded days found.

use axum::extract::State;

use super::{error_responses::ErrorResponses, no_query::NoQuery};
use crate::{
    http::{
        middleware::scopes::MaySeeLog, parameters::Parameters, problem::Problem, service::Shared,
        uncached::Uncached,
    },
    query::{self, RecountsResponse},
};

/// Recorded recounts
///
/// What the recounts of the last 30 days found, which `daymark serve` makes each night of some recorded days: the values that have
/// changed on the platform since. Nothing is counted by this request.
#[utoipa::path(
    get, path = "/api/v1/drift/recorded", tag = "runs",
    responses((status = 200, description = "The recounts", body = RecountsResponse), ErrorResponses),
)]
pub async fn recorded_drift(
    State(service): State<Shared>,
    _: MaySeeLog,
    _: Parameters<NoQuery>,
) -> Result<Uncached<RecountsResponse>, Problem> {
    let answer = query::recounts(&service.context).await?;
    Ok(Uncached(answer))
}
