//! `GET /api/v1/redactions`: the log of redactions. A label cannot be redacted over HTTP.

use axum::extract::State;

use super::{error_responses::ErrorResponses, no_query::NoQuery};
use crate::{
    http::{
        middleware::scopes::MaySeeLog, parameters::Parameters, problem::Problem, service::Shared,
        uncached::Uncached,
    },
    query::{self, RedactionsResponse},
};

/// The log of redactions
///
/// The labels that were replaced by placeholders, newest first, with the reason, the author and the places. What a label was is not kept.
#[utoipa::path(
    get, path = "/api/v1/redactions", tag = "runs",
    responses((status = 200, description = "The redactions", body = RedactionsResponse), ErrorResponses),
)]
pub async fn list_redactions(
    State(service): State<Shared>,
    _: MaySeeLog,
    _: Parameters<NoQuery>,
) -> Result<Uncached<RedactionsResponse>, Problem> {
    let answer = query::redactions(&service.context).await?;
    Ok(Uncached(answer))
}
