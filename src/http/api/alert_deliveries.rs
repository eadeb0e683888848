//! `GET /api/v1/alerts/deliveries`: notifications and the attempts to deliver them.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::error_responses::ErrorResponses;
use crate::{
    http::{
        middleware::scopes::MaySeeLog, parameters::Parameters, problem::Problem, service::Shared,
        uncached::Uncached,
    },
    query::{self, DeliveriesQuery, DeliveriesResponse},
};

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeliveriesParameters {
    /// Only notifications to this channel
    channel: Option<String>,
    /// Notifications, from 1 to 200; by default 50
    #[param(value_type = Option<u8>, minimum = 1, maximum = 200)]
    limit: Option<String>,
}

/// Deliveries
///
/// The notifications of the last 90 days, newest first, each with the attempts to deliver it and the answers of its receiver.
#[utoipa::path(
    get, path = "/api/v1/alerts/deliveries", tag = "alerts", params(DeliveriesParameters),
    responses((status = 200, description = "The deliveries", body = DeliveriesResponse), ErrorResponses),
)]
pub async fn alert_deliveries(
    State(service): State<Shared>,
    _: MaySeeLog,
    Parameters(parameters): Parameters<DeliveriesParameters>,
) -> Result<Uncached<DeliveriesResponse>, Problem> {
    let question = DeliveriesQuery::parse(parameters.channel, parameters.limit.as_deref())?;
    let answer = query::deliveries(&service.context, &question).await?;
    Ok(Uncached(answer))
}
