//! The routes of the server and the middleware around them.

use axum::{
    Router,
    http::{HeaderValue, Method, header},
    middleware::{from_fn, from_fn_with_state},
    routing::get,
};
use tower::util::option_layer;
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

use super::{
    api,
    compression::compression,
    dashboard, docs,
    fallback::method_not_allowed,
    health,
    middleware::{
        authenticate::authenticate, rate_limit::rate_limit, request_id::set_request_id,
        request_limits::request_limits,
    },
    rest,
    service::Shared,
};

pub fn router(service: Shared) -> Router {
    let (cached, _) = api::cached_routes().split_for_parts();
    let (uncached, _) = api::uncached_routes().split_for_parts();
    let api = cached.merge(uncached).layer(compression()).nest("/rest/v1", rest::router());
    health::routes()
        .merge(dashboard::routes())
        .route("/openapi.json", get(docs::document).layer(compression()))
        .merge(docs::page())
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn(set_request_id))
        .with_state(Shared::clone(&service))
        .merge(with_middleware(api, service))
}

/// Routes that need authentication, with the middleware around them.
pub fn with_middleware(routes: Router<Shared>, service: Shared) -> Router {
    let origins = service.http.cors_origins.as_slice();
    // The layers are listed from the outermost to the innermost.
    let layers = (
        from_fn_with_state(Shared::clone(&service), request_limits),
        // No origin is allowed unless the configuration names some.
        option_layer((!origins.is_empty()).then(|| cors(origins))),
        from_fn_with_state(Shared::clone(&service), authenticate),
        from_fn_with_state(Shared::clone(&service), rate_limit),
    );
    routes
        .fallback(dashboard::unknown_path)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(layers)
        .with_state(service)
}

fn cors(origins: &[String]) -> CorsLayer {
    let allowed = match origins.iter().any(|origin| origin == "*") {
        true => AllowOrigin::from(Any),
        false => AllowOrigin::list(origins.iter().filter_map(|origin| HeaderValue::try_from(origin).ok())),
    };
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE])
        // Headers that supabase-js sends in addition to the usual ones.
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
            header::HeaderName::from_static("proxy-status"),
            header::HeaderName::from_static("ratelimit"),
            header::HeaderName::from_static("ratelimit-policy"),
            header::HeaderName::from_static("x-request-id"),
        ])
}
