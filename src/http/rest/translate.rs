//! Problems of the middleware around `/rest/v1` (authentication, limits, timeouts) in PostgREST's shape.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::error::RestError;
use crate::http::problem::Problem;

/// The response to a request for `path`; where that is not below `/rest/v1`, as it is.
pub fn translate(path: &str, mut response: Response) -> Response {
    let is_ours = path.strip_prefix("/rest/v1").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    match response.extensions_mut().remove::<Problem>() {
        Some(problem) if is_ours => translated(response, &problem),
        _ => response,
    }
}

/// With the headers of the problem's own response: how long to wait, the rate limit.
fn translated(response: Response, problem: &Problem) -> Response {
    let status = response.status();
    let message = problem.detail.as_deref().unwrap_or(&problem.title);
    let mut translated = RestError::new(status, code(status, problem), message).into_response();
    let (mut parts, _) = response.into_parts();
    for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH] {
        parts.headers.remove(&name);
    }
    translated.headers_mut().extend(parts.headers);
    translated
}

/// PostgREST's code where it has one, else PostgreSQL's.
fn code(status: StatusCode, problem: &Problem) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED if problem.shows_nothing => "PGRST302",
        StatusCode::UNAUTHORIZED => "PGRST301",
        StatusCode::FORBIDDEN => "42501",
        StatusCode::NOT_FOUND => "PGRST125",
        StatusCode::METHOD_NOT_ALLOWED => "PGRST117",
        StatusCode::SERVICE_UNAVAILABLE if problem.kind.ends_with(":timed-out") => "57014",
        StatusCode::SERVICE_UNAVAILABLE => "PGRST001",
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::URI_TOO_LONG
        | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => "54000",
        status if status.is_client_error() => "PGRST100",
        _ => "XX000",
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};

    use super::*;

    async fn answer(path: &str) -> (Response, String) {
        let busy = Problem::unavailable("the server is busy").retry_after(7).into_response();
        let (parts, body) = translate(path, busy).into_parts();
        let text = to_bytes(body, usize::MAX).await.unwrap();
        (Response::from_parts(parts, Body::empty()), String::from_utf8(text.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn problems_have_postgrests_shape_below_rest_only() {
        let (response, text) = answer("/rest/v1/x").await;
        assert_eq!(text, r#"{"code":"PGRST001","details":null,"hint":null,"message":"the server is busy"}"#);
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "7");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json; charset=utf-8");
        let (response, text) = answer("/rest/v1x").await;
        assert!(text.contains("urn:daymark:problem:unavailable"), "{text}");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    }

    #[test]
    fn a_time_limit_is_a_cancelled_query() {
        let code = |status, name| code(status, &Problem::new(status, name, ""));
        assert_eq!(code(StatusCode::SERVICE_UNAVAILABLE, "timed-out"), "57014");
        assert_eq!(code(StatusCode::TOO_MANY_REQUESTS, ""), "54000");
        assert_eq!(code(StatusCode::INTERNAL_SERVER_ERROR, ""), "XX000");
    }
}
