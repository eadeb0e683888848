//! `/livez`, `/readyz` and `/metrics`, for process supervisors and monitoring. They need no authentication, reveal nothing of the
//! record, and have a store session of their own, so that no request holds them up.

use super::{
    fallback::{method_not_allowed, not_found},
    middleware::request_id::set_request_id,
    problem::Problem,
    service::Shared,
};
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    middleware::from_fn,
    response::{IntoResponse, Response},
    routing::get,
};
/// The routes of the management address, `http.management_listen`.
pub fn management_router(service: Shared) -> Router {
    routes().fallback(not_found).layer(from_fn(set_request_id)).with_state(service)
}

/// The answer to a connection beyond the limit of connections.
pub fn router_when_full(service: Shared) -> Router {
    let full = || async {
        Problem::unavailable(
            "the limit of open connections (`http.max_connections`) is reached; try again in a moment",
        )
    };
    routes().fallback(full).layer(from_fn(set_request_id)).with_state(service)
}

pub fn routes() -> Router<Shared> {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .method_not_allowed_fallback(method_not_allowed)
}

/// Answers while the process can handle requests at all.
async fn livez() -> &'static str {
    "ok\n"
}

/// Whether requests can be answered: the store is reachable and has its tables.
async fn readyz(State(service): State<Shared>) -> Response {
    match service.readiness.check().await {
        Ok(()) => "ok\n".into_response(),
        Err(reason) => Problem::unavailable(reason).into_response(),
    }
}

async fn metrics(State(service): State<Shared>) -> Response {
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    let metrics = service.counters.render() + &service.health_metrics.render().await;
    (StatusCode::OK, content_type, metrics).into_response()
}
