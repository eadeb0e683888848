//! `GET /api/v1/definitions`: what is recorded.

use axum::{extract::State, response::Response};

use super::{none::NoParameters, refusals::Refusals};
use crate::{
    http::{
        answer::Answer, asking::Asking, cache::Keep, middleware::admit::MayRead, parameters::Parameters,
        problem::Problem, service::Shared,
    },
    query::{self, DefinitionsAnswer},
};

/// The metrics
///
/// Every metric that was ever defined, active or not, in its current version.
#[utoipa::path(
    get, path = "/api/v1/definitions", tag = "record",
    responses((status = 200, description = "The definitions", body = DefinitionsAnswer), Refusals),
)]
pub async fn definitions(
    State(service): State<Shared>,
    MayRead(principal): MayRead,
    _: Parameters<NoParameters>,
    asking: Asking,
) -> Result<Response, Problem> {
    asking
        .answer(&service, &principal, Keep::Current, async |catalogue| {
            Ok(Answer::json(&query::definitions(catalogue))?)
        })
        .await
}
