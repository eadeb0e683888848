//! Which path leads where, and what lies around it.

use axum::{
    Router,
    http::{HeaderValue, Method, Uri, header},
    middleware::{from_fn, from_fn_with_state},
    routing::get,
};
use tower::util::option_layer;
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

use super::{
    api, docs, health,
    middleware::{authenticate::authenticate, request_id::set_request_id, request_limits::request_limits},
    problem::Problem,
    rest,
    service::Shared,
    workers::by_workers,
};

pub fn router(service: Shared) -> Router {
    let (cached, _) = api::cached_routes().split_for_parts();
    let (uncached, _) = api::uncached_routes().split_for_parts();
    let answers = with_middleware(cached, uncached.nest("/rest/v1", rest::router()), service.clone());
    Router::new()
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(docs::document))
        .merge(docs::page())
        .method_not_allowed_fallback(method_not_allowed)
        .layer((from_fn(set_request_id), from_fn_with_state(service.clone(), by_workers)))
        .with_state(service)
        .merge(answers)
}

/// Routes whose answers are cached, and routes whose answers are made anew for each request, with the middleware around a
/// handler.
pub fn with_middleware(cached: Router<Shared>, uncached: Router<Shared>, service: Shared) -> Router {
    let origins = service.http.cors_origins.as_slice();
    // From the outside in. One layer of them all: each layer of a router is copied, with all that it holds, for each request.
    let around = (
        from_fn_with_state(service.clone(), request_limits),
        // Closed unless origins are configured.
        option_layer((!origins.is_empty()).then(|| cors(origins))),
        from_fn_with_state(service.clone(), authenticate),
    );
    cached
        .merge(uncached.layer(from_fn_with_state(service.clone(), by_workers)))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(around)
        .with_state(service)
}

pub async fn not_found(uri: Uri) -> Problem {
    Problem::not_found(format!("there is nothing at {}; /docs lists what there is", uri.path()))
}

async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    let status = axum::http::StatusCode::METHOD_NOT_ALLOWED;
    Problem::new(status, "method-not-allowed", "The method is not allowed here")
        .detail(format!("{} cannot be asked for with {method}", uri.path()))
}

fn cors(origins: &[String]) -> CorsLayer {
    let allowed = match origins.iter().any(|origin| origin == "*") {
        true => AllowOrigin::from(Any),
        false => AllowOrigin::list(origins.iter().filter_map(|origin| HeaderValue::try_from(origin).ok())),
    };
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE])
        // What supabase-js sends beside the usual.
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::ACCEPT,
            header::RANGE,
            header::IF_NONE_MATCH,
            header::HeaderName::from_static("apikey"),
            header::HeaderName::from_static("prefer"),
            header::HeaderName::from_static("range-unit"),
            header::HeaderName::from_static("accept-profile"),
            header::HeaderName::from_static("content-profile"),
            header::HeaderName::from_static("x-client-info"),
            header::HeaderName::from_static("x-request-id"),
            header::HeaderName::from_static("x-retry-count"),
        ])
        .expose_headers([
            header::ETAG,
            header::LOCATION,
            header::RETRY_AFTER,
            header::CONTENT_DISPOSITION,
            header::CONTENT_RANGE,
            header::HeaderName::from_static("ratelimit"),
            header::HeaderName::from_static("ratelimit-policy"),
            header::HeaderName::from_static("x-request-id"),
        ])
}
