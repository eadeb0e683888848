//! `GET /`: a page for people who open the server's address in a browser. Programs that ask for JSON get the same links.

use axum::{
    Json,
    http::{HeaderMap, HeaderValue, header},
    response::{Html, IntoResponse, Response},
};
use serde_json::json;

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);

pub async fn page(headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let vary = (header::VARY, HeaderValue::from_static("accept"));
    match accept.contains("json") {
        true => {
            let links = json!({
                "name": "daymark", "version": env!("CARGO_PKG_VERSION"), "docs": "/docs/", "openapi": "/openapi.json",
                "livez": "/livez", "readyz": "/readyz", "metrics": "/metrics",
            });
            ([vary], Json(links)).into_response()
        }
        false => ([vary, (header::CONTENT_SECURITY_POLICY, POLICY)], Html(include_str!("home.html")))
            .into_response(),
    }
}
