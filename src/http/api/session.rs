//! `GET /api/v1/session`: who a request acts for.

use axum::{Json, extract::State, http::header, response::IntoResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::{error_responses::ErrorResponses, no_query::NoQuery};
use crate::{
    access::Mode,
    http::{middleware::scopes::MayRead, parameters::Parameters, problem::Problem, service::Shared},
};

/// The principal of a request, and what it may do.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionResponse {
    /// `anonymous`, `reader`, `admin` or `service`.
    role: &'static str,
    /// What it may do: `read`, `log`, `collect`, `define`.
    scopes: Vec<&'static str>,
    /// Whether the server runs open, so that every request has all scopes.
    open: bool,
    /// The server's version.
    version: &'static str,
}

/// Who a request acts for
///
/// The role and the scopes of the credentials that it shows.
#[utoipa::path(
    get, path = "/api/v1/session", tag = "record",
    responses((status = 200, description = "The principal", body = SessionResponse), ErrorResponses),
)]
pub async fn session(
    State(service): State<Shared>,
    MayRead(principal): MayRead,
    _: Parameters<NoQuery>,
) -> Result<impl IntoResponse, Problem> {
    let mode = service.access.mode().await.map_err(|denied| Problem::unavailable(denied.to_string()))?;
    let session = SessionResponse {
        role: principal.role.name(),
        scopes: principal.scopes.names(),
        open: mode == Mode::Open,
        version: env!("CARGO_PKG_VERSION"),
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(session)))
}
