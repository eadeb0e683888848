//! The page of the dashboard at each of its paths. Programs that ask `/` for JSON get links to what there is.

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header},
    response::{Html, IntoResponse, Response},
};
use serde_json::json;

use super::{files, record};
use crate::http::service::Shared;

/// Scripts, styles and answers come from this server only, and no other page may frame it. A chart that is saved as an image
/// is drawn from a `blob:` of its own.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: data:; \
     form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
);
/// The place of the page for what is shown where scripts are switched off.
const RECORD: &str = "<!--daymark:record-->";

/// `GET /`, with the record for readers whose browser runs no scripts.
pub async fn home(State(service): State<Shared>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    match asks_for_json(&parts.headers) {
        true => ([(header::VARY, HeaderValue::from_static("accept"))], links()).into_response(),
        false => html(&record::for_request(&service, &parts).await),
    }
}

/// Any other page, whose content is made by its script.
pub async fn page() -> Response {
    html(
        "<p>This page needs JavaScript. <a href=\"/\">The first page</a> shows the latest values without.</p>",
    )
}

fn html(record: &str) -> Response {
    let page = files::page().unwrap_or_else(|| include_str!("unbuilt.html").to_owned());
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        // The page depends on the credentials of the request.
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
        (header::VARY, HeaderValue::from_static("accept, authorization, apikey, cookie")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (headers, Html(page.replacen(RECORD, record, 1))).into_response()
}

fn asks_for_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.contains("json")
}

fn links() -> Json<serde_json::Value> {
    Json(json!({
        "name": "daymark", "version": env!("CARGO_PKG_VERSION"), "docs": "/docs/", "openapi": "/openapi.json",
        "livez": "/livez", "readyz": "/readyz", "metrics": "/metrics",
    }))
}
