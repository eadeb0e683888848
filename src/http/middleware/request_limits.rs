//! The outermost middleware: the request's id, its limits of size and time, its line in the log and its count.

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use axum::{
    body::HttpBody,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{Method, StatusCode, Version, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use tracing::Instrument;

use super::request_id::{REQUEST_ID, request_id};
use crate::http::{
    api::{self, MAX_BODY},
    problem::Problem,
    rest,
    service::Shared,
};

/// The path of requests that wait for a run to end.
const RUNS: &str = "/rest/v1/rpc/";
const RUN_TIMEOUT: Duration = Duration::from_secs(3600);
/// Longest path with its query string, in bytes.
const MAX_TARGET: usize = 8 * 1024;
/// All header names and values together, in bytes.
const MAX_HEADERS: usize = 32 * 1024;

pub async fn request_limits(State(service): State<Shared>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(request.headers());
    let method = method_label(request.method());
    let path = request.uri().path().to_owned();
    let route = request.extensions().get::<MatchedPath>().cloned();
    // The span has the level ERROR, so that it exists at every log level.
    let span = tracing::error_span!("request", id = id.to_str().unwrap_or_default());
    let in_flight = CountedRequest::count(&service);
    let response = limited(&service, request, next).instrument(span.clone()).await;
    let mut response = rest::translate(&path, response);
    drop(in_flight);
    let (status, duration) = (response.status().as_u16(), started.elapsed());
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    service.counters.request_answered(method, route, status, duration);
    let duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    span.in_scope(|| tracing::info!(method, path, status, duration_us));
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// Counts a request until this is dropped: answered, or given up by its client.
struct CountedRequest<'a>(&'a Shared);

impl<'a> CountedRequest<'a> {
    fn count(service: &'a Shared) -> Self {
        service.counters.requests_in_flight(1.0);
        Self(service)
    }
}

impl Drop for CountedRequest<'_> {
    fn drop(&mut self) {
        self.0.counters.requests_in_flight(-1.0);
    }
}

/// The method as the value of a label, of which there is a bounded number.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

async fn limited(service: &Shared, mut request: Request, next: Next) -> Response {
    if let Some(problem) = too_large(&request).or_else(|| without_host(&request)) {
        return problem.into_response();
    }
    if !request.body().is_end_stream() {
        DefaultBodyLimit::max(MAX_BODY).apply(&mut request);
    }
    let (permits, limit) = match request.uri().path().starts_with(RUNS) {
        true => (&service.run_waits, RUN_TIMEOUT),
        false => (&service.permits, service.http.request_timeout),
    };
    // Shed rather than queued: the client of a request that waits has given it up when its turn comes.
    let Ok(_permit) = permits.try_acquire() else {
        return Problem::unavailable(
            "the server is processing as many requests as it may at once; try again in a moment",
        )
        .into_response();
    };
    let answering = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(limit, answering).await {
        Ok(Ok(response)) => response,
        // The panic's own message was written by the panic hook.
        Ok(Err(_)) => {
            tracing::error!("the handler panicked");
            Problem::internal().into_response()
        }
        Err(_) => timed_out(limit).into_response(),
    }
}

fn timed_out(limit: Duration) -> Problem {
    let detail =
        format!("the request was not answered within {} s; request less, or try again", limit.as_secs());
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "timed-out", "The request took too long")
        .detail(detail)
        .retry_after(1)
}

/// A request of HTTP/1.1 has one header `Host` (RFC 9112, 3.2); if it had two, a proxy may have used the other one.
fn without_host(request: &Request) -> Option<Problem> {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    let is_wrong = hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11);
    is_wrong.then(|| {
        Problem::new(StatusCode::BAD_REQUEST, "invalid-request", "The request cannot be carried out")
            .detail(format!("a request must have exactly one header `Host`, but this one has {hosts}"))
    })
}

fn too_large(request: &Request) -> Option<Problem> {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target > MAX_TARGET {
        let detail = format!("the path and the query have {target} bytes, but the limit is {MAX_TARGET}");
        return Some(
            Problem::new(StatusCode::URI_TOO_LONG, "uri-too-long", "The URI is too long").detail(detail),
        );
    }
    let headers: usize =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if headers > MAX_HEADERS {
        let detail = format!("the headers have {headers} bytes, but the limit is {MAX_HEADERS}");
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Some(Problem::new(status, "headers-too-large", "The headers are too large").detail(detail));
    }
    // A body without a length is counted while it is read.
    let body = request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse::<u64>().ok()?;
    (body > MAX_BODY as u64).then(api::body_too_large)
}
