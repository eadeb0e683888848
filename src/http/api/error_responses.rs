//! The error responses that every endpoint may give.

use utoipa::IntoResponses;

use crate::http::problem::Problem;

/// Problem documents (RFC 9457).
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it is read by the derive macro only")]
pub enum ErrorResponses {
    /// A parameter or the body is wrong; `errors` names each parameter
    #[response(status = 400, content_type = "application/problem+json")]
    Invalid(Problem),
    /// Credentials are missing or not valid
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(Problem),
    /// The role lacks the required scope
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// The URI is too long
    #[response(status = 414, content_type = "application/problem+json")]
    LongUri(Problem),
    /// Too many requests, or too many failures to authenticate; `Retry-After` is the wait in seconds
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(Problem),
    /// The headers are too large; if they exceed 64 KiB, the answer has no body
    #[response(status = 431, content_type = "application/problem+json")]
    LargeHeaders(Problem),
    /// The server failed; its log has the details
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(Problem),
    /// The server is overloaded or too slow, or cannot reach its store; `Retry-After` is the wait in seconds
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}

/// Errors of the store's definitions.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it is read by the derive macro only")]
pub enum Undefined {
    /// No metric is defined: run `daymark apply`
    #[response(status = 409, content_type = "application/problem+json")]
    NotApplied(Problem),
}

/// Errors of the values that a file would hold.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it is read by the derive macro only")]
pub enum FileErrorResponses {
    /// The values have more digits than Parquet can store, or, in an export of series, do not add up over days
    #[response(status = 422, content_type = "application/problem+json")]
    Impossible(Problem),
}

/// Errors of a body as such.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it is read by the derive macro only")]
pub enum BodyErrorResponses {
    /// The body did not arrive within half of `http.request_timeout_seconds`
    #[response(status = 408, content_type = "application/problem+json")]
    Slow(Problem),
    /// The body is too large
    #[response(status = 413, content_type = "application/problem+json")]
    Large(Problem),
    /// The body is not JSON
    #[response(status = 415, content_type = "application/problem+json")]
    Other(Problem),
}
