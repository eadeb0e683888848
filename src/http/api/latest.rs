//! `GET /api/v1/latest`: where every metric stands.

use axum::{extract::State, response::Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{lists::list, refusals::Refusals};
use crate::{
    http::{
        answer::Answer, asking::Asking, cache::Keep, middleware::admit::MayRead, parameters::Parameters,
        problem::Problem, service::Shared,
    },
    query::{self, LatestAnswer, LatestQuestion},
};

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LatestParameters {
    /// Categories, separated by commas; by default all active metrics
    category: Option<String>,
    /// Types, separated by commas: `count`, `average`, `percentage`, `aggregate`
    r#type: Option<String>,
}

/// The latest values
///
/// The newest record of each metric, with its own date, and the change against the day, the week and the month before
/// that date.
#[utoipa::path(
    get, path = "/api/v1/latest", tag = "record", params(LatestParameters),
    responses((status = 200, description = "A value for each metric", body = LatestAnswer), Refusals),
)]
pub async fn latest(
    State(service): State<Shared>,
    MayRead(principal): MayRead,
    Parameters(parameters): Parameters<LatestParameters>,
    asking: Asking,
) -> Result<Response, Problem> {
    let (categories, types) = (list(parameters.category), list(parameters.r#type));
    asking
        .answer(&service, &principal, Keep::Current, async |catalogue| {
            let question = LatestQuestion::parse(&categories, &types, catalogue)?;
            Ok(Answer::json(&query::latest(&service.context, catalogue, &question).await?)?)
        })
        .await
}
