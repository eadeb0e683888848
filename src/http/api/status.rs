//! `GET /api/v1/status`: the state of collection.

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
        middleware::scopes::MaySeeLog,
        problem::Problem,
        service::{Service, Shared},
    },
    query::{self, Catalogue, StatusResponse},
};

/// The state of collection
///
/// Returns the last run, and which records exist, are missing and are due. Before the first run, `state` is
/// `never_ran`.
#[utoipa::path(
    get, path = "/api/v1/status", tag = "runs",
    responses((status = 200, description = "The state of collection", body = StatusResponse), ErrorResponses),
)]
pub async fn status(
    State(service): State<Shared>,
    MaySeeLog(principal): MaySeeLog,
    query: CachedQuery<StatusQuery>,
) -> Result<Response, Problem> {
    query.answer(&service, &principal, Lifetime::FiveMinutes).await
}

/// It has no parameters: any that is given is an error.
#[derive(Deserialize)]
pub struct StatusQuery {}

#[async_trait]
impl Endpoint for StatusQuery {
    async fn answer(&self, service: &Service, catalogue: &Arc<Catalogue>) -> Result<Answer, Failed> {
        let status = query::status(&service.context, catalogue).await?;
        Ok(Answer::json(&status)?.volatile(status.is_volatile()))
    }
}
