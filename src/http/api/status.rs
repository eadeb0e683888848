//! `GET /api/v1/status`: where collection stands.

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use super::{none::NoParameters, refusals::Refusals};
use crate::{
    http::{middleware::admit::MaySeeLog, parameters::Parameters, problem::Problem, service::Shared},
    query::{self, StatusAnswer},
};

/// Where collection stands
///
/// The last run, what is recorded, what is missing and what is due. `never_ran` is a state like others.
#[utoipa::path(
    get, path = "/api/v1/status", tag = "runs",
    responses((status = 200, description = "The state of collection", body = StatusAnswer), Refusals),
)]
pub async fn status(
    State(service): State<Shared>,
    _: MaySeeLog,
    _: Parameters<NoParameters>,
) -> Result<Response, Problem> {
    let answer = query::status(&service.context).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}
