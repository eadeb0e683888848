//! `/livez`, `/readyz` and `/metrics`: for whatever runs the server. They need no authentication, tell nothing about
//! the record, and are not held up by requests.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use std::time::Duration;

use super::{problem::Problem, service::Shared};

/// How long the store may take to say that it is there.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// Whether the process works at all.
pub async fn livez() -> &'static str {
    "ok\n"
}

/// Whether requests can be answered: the store is reachable and has its tables.
pub async fn readyz(State(service): State<Shared>) -> Response {
    let asking = service.context.store.ping();
    let problem = match tokio::time::timeout(READY_WITHIN, asking).await {
        Ok(Ok(())) => return "ok\n".into_response(),
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready");
            "the store cannot be used; the log says why"
        }
        Err(_) => "the store does not answer",
    };
    Problem::unavailable(problem).into_response()
}

pub async fn metrics(State(service): State<Shared>) -> Response {
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (StatusCode::OK, content_type, service.telemetry.render()).into_response()
}
