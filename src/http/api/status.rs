//! `GET /api/v1/status`: where collection stands.

use async_trait::async_trait;
use axum::{extract::State, response::Response};

use super::{none::NoParameters, refusals::Refusals};
use crate::{
    http::{
        answer::Answer,
        asking::{Asking, Failed, Question},
        cache::Keep,
        middleware::admit::MaySeeLog,
        parameters::Parameters,
        problem::Problem,
        service::{Service, Shared},
    },
    query::{self, Catalogue, StatusAnswer},
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
    MaySeeLog(principal): MaySeeLog,
    _: Parameters<NoParameters>,
    asking: Asking,
) -> Result<Response, Problem> {
    asking.answer(&service, &principal, Keep::Current, &Status).await
}

struct Status;

#[async_trait]
impl Question for Status {
    async fn answer(&self, service: &Service, catalogue: &Catalogue) -> Result<Answer, Failed> {
        let status = query::status(&service.context, catalogue).await?;
        Ok(Answer::json(&status)?.passing(status.is_passing()))
    }
}
