//! `GET /api/v1/definitions`: the metrics.

use std::sync::Arc;

use async_trait::async_trait;
use axum::{extract::State, response::Response};
use serde::Deserialize;

use super::error_responses::ErrorResponses;
use crate::{
    http::{
        answer::Answer,
        cache::Lifetime,
        cached_query::{CachedQuery, Endpoint, Failed},
        middleware::scopes::MayRead,
        problem::Problem,
        service::{Service, Shared},
    },
    query::{self, Catalogue, DefinitionsResponse},
};

/// The metrics
///
/// Returns the current version of every metric that was ever defined, active or not.
#[utoipa::path(
    get, path = "/api/v1/definitions", tag = "record",
    responses((status = 200, description = "The definitions", body = DefinitionsResponse), ErrorResponses),
)]
pub async fn definitions(
    State(service): State<Shared>,
    MayRead(principal): MayRead,
    query: CachedQuery<DefinitionsQuery>,
) -> Result<Response, Problem> {
    query.answer(&service, &principal, Lifetime::FiveMinutes).await
}

/// It has no parameters: any that is given is an error.
#[derive(Deserialize)]
pub struct DefinitionsQuery {}

#[async_trait]
impl Endpoint for DefinitionsQuery {
    async fn answer(&self, _: &Service, catalogue: &Arc<Catalogue>) -> Result<Answer, Failed> {
        Ok(Answer::json(&query::definitions(catalogue))?)
    }
}
