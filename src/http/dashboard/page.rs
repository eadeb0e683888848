//! The page of the dashboard at each of its paths. Programs that ask `/` for JSON get links to the API.

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, request::Parts},
    response::{Html, IntoResponse, Response},
};
use serde_json::json;

use super::{files, first_answers, record};
use crate::{
    access::{Principal, Scope},
    http::{fallback::not_found, middleware::authenticate::principal, service::Shared},
};

/// Scripts, styles and answers come from this server only, and no other page may frame it. A chart that is saved as an image
/// is drawn from a `blob:` of its own.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: data:; \
     form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
);
/// The place of the page for what is shown where scripts are switched off.
const RECORD: &str = "<!--daymark:record-->";
/// The place of the page for the answers that its script begins with.
const FIRST_ANSWERS: &str = "<!--daymark:first-answers-->";

const NEEDS_CREDENTIALS: &str = "<p>The record needs an API key or a token: turn JavaScript on to sign in, or ask the API at \
    <code>/api/v1/latest</code> with it.</p>";
const TOO_MANY: &str = "<p>Too many requests: try again in a minute.</p>";
const UNKNOWN_PATH: &str =
    "<p>There is no such page. <a href=\"/\">The first page</a> shows the latest values.</p>";
const NEEDS_SCRIPTS: &str =
    "<p>This page needs JavaScript. <a href=\"/\">The first page</a> shows the latest values without.</p>";

/// `GET /`, with the record for readers whose browser runs no scripts.
pub async fn home(State(service): State<Shared>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if asks_for_json(&parts.headers) {
        return ([(header::VARY, HeaderValue::from_static("accept"))], links()).into_response();
    }
    match reader(&service, &parts).await {
        Ok(reader) => {
            let record = record::record(&service).await;
            html(&record, Some(first_answers::first_answers(&service, &parts, &reader).await))
        }
        Err(refusal) => html(refusal, None),
    }
}

/// Any other page, whose content is made by its script.
pub async fn page(State(service): State<Shared>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let answers = match reader(&service, &parts).await {
        Ok(reader) => Some(first_answers::first_answers(&service, &parts, &reader).await),
        Err(_) => None,
    };
    html(NEEDS_SCRIPTS, answers)
}

/// An unknown path: to browsers a page that says so, to programs a problem.
pub async fn unknown_path(method: Method, headers: HeaderMap, uri: Uri) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if method == Method::GET && accept.contains("text/html") {
        return (StatusCode::NOT_FOUND, html(UNKNOWN_PATH, None)).into_response();
    }
    not_found(uri).await.into_response()
}

/// The principal of the request if it may read; otherwise what to do, in HTML.
async fn reader(service: &Shared, parts: &Parts) -> Result<Principal, &'static str> {
    let principal = principal(service, parts).await.ok().filter(|principal| principal.may(Scope::Read));
    let principal = principal.ok_or(NEEDS_CREDENTIALS)?;
    match service.rate_limit.check(&principal).allowed {
        true => Ok(principal),
        false => Err(TOO_MANY),
    }
}

fn html(record: &str, first_answers: Option<String>) -> Response {
    let page = files::page().unwrap_or_else(|| include_str!("unbuilt.html").to_owned());
    // What a reader saw must not come back from the browser's cache after they signed out.
    let cache_control = if first_answers.is_some() { "no-store" } else { "private, no-cache" };
    let page =
        page.replacen(RECORD, record, 1).replacen(FIRST_ANSWERS, &first_answers.unwrap_or_default(), 1);
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, HeaderValue::from_static(cache_control)),
        // The page depends on the credentials of the request.
        (header::VARY, HeaderValue::from_static("accept, authorization, apikey, cookie")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (headers, Html(page)).into_response()
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
