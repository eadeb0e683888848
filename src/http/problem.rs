//! Errors as problem documents (RFC 9457). Every answer that is not a success has one, whichever part of the server
//! failed; only `/rest/v1` has errors of another shape, because its clients expect that.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

pub const MEDIA_TYPE: &str = "application/problem+json";

/// How many errors a problem names.
const MAX_ERRORS: usize = 20;

/// A problem document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// The kind of problem: `urn:daymark:problem:` and a name that does not change.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem in words.
    pub title: String,
    /// The HTTP status code.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What was wrong in this request, where, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The parameters, or members of the body, that were wrong: the first 20, and the number of those that are left
    /// out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<InvalidParameter>,
    /// The number of seconds to wait before another attempt; the same as the header `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// Whether the request showed no credentials, for which PostgREST has a code of its own.
    #[serde(skip)]
    pub shows_nothing: bool,
}

/// A parameter that was wrong, or a member of the body by its path, as in `filter.score`. `parameter` is empty if the
/// body as a whole is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct InvalidParameter {
    pub parameter: String,
    pub detail: String,
}

/// Each error once, and the first of many with how many more there are: a short request may be wrong in thousands of
/// ways, and its answer is not to be thousands of times as long.
pub(super) fn bounded(errors: Vec<InvalidParameter>) -> Vec<InvalidParameter> {
    let mut kept: Vec<InvalidParameter> = Vec::new();
    let mut left_out = 0;
    for error in errors {
        match kept.len() {
            _ if kept.contains(&error) => {}
            0..MAX_ERRORS => kept.push(error),
            _ => left_out += 1,
        }
    }
    if left_out > 0 {
        kept.push(InvalidParameter {
            parameter: String::new(),
            detail: format!("{left_out} more errors are not listed"),
        });
    }
    kept
}

impl Problem {
    pub fn new(status: StatusCode, name: &str, title: &str) -> Self {
        Self {
            kind: format!("urn:daymark:problem:{name}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: None,
            errors: Vec::new(),
            retry_after: None,
            shows_nothing: false,
        }
    }

    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub fn invalid_parameters(errors: Vec<InvalidParameter>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid-parameter", "A parameter is wrong").all_of(errors)
    }

    pub fn invalid_body(errors: Vec<InvalidParameter>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid-body", "The body cannot be read").all_of(errors)
    }

    fn all_of(self, errors: Vec<InvalidParameter>) -> Self {
        let errors = bounded(errors);
        let details: Vec<_> = errors.iter().map(|error| error.detail.as_str()).collect();
        self.detail(details.join("; ")).errors(errors)
    }

    pub(super) fn errors(self, errors: Vec<InvalidParameter>) -> Self {
        Self { errors, ..self }
    }

    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found").detail(detail)
    }

    pub fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "Authentication is required").detail(detail)
    }

    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "This is not allowed").detail(detail)
    }

    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", "Another change came first").detail(detail)
    }

    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not available at the moment")
            .detail(detail)
            .retry_after(1)
    }

    /// A failure of the server. The log has the details, the answer does not.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The server failed")
            .detail("an unexpected error occurred; the server's log has the details under the request id of this answer")
    }

    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        // A problem is made of strings and numbers, which always serialise.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, MEDIA_TYPE)], body).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // `/rest/v1` translates it.
        response.extensions_mut().insert(self);
        response
    }
}
