//! `GET /api/v1/anomalies`: the recorded values of the last days that are anomalies.

use std::sync::Arc;

use async_trait::async_trait;
use axum::{extract::State, response::Response};
use serde::Deserialize;
use utoipa::IntoParams;

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
    query::{self, AnomaliesQuery, AnomaliesResponse, Catalogue},
};

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AnomaliesParameters {
    /// The number of days that end with the last finished one, from 1 to 366; 7 by default
    #[param(value_type = Option<u16>, minimum = 1, maximum = 366)]
    days: Option<String>,
}

/// Anomalies
///
/// Returns the recorded values of the last days that are not what the history of their metric leads one to expect, each with
/// the band in which it was expected.
#[utoipa::path(
    get, path = "/api/v1/anomalies", tag = "record", params(AnomaliesParameters),
    responses((status = 200, description = "The anomalies", body = AnomaliesResponse), ErrorResponses),
)]
pub async fn anomalies(
    State(service): State<Shared>,
    MayRead(principal): MayRead,
    query: CachedQuery<AnomaliesParameters>,
) -> Result<Response, Problem> {
    query.answer(&service, &principal, Lifetime::FiveMinutes).await
}

#[async_trait]
impl Endpoint for AnomaliesParameters {
    async fn answer(&self, service: &Service, _: &Arc<Catalogue>) -> Result<Answer, Failed> {
        let question = AnomaliesQuery::parse(self.days.as_deref())?;
        Ok(Answer::json(&query::anomalies(&service.context, question).await?)?)
    }
}
