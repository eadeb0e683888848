//! The answers that every endpoint may give instead of its own.

use utoipa::IntoResponses;

use crate::http::problem::Problem;

/// Problem documents (RFC 9457).
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it is read by the derive macro only")]
pub enum Refusals {
    /// A parameter or the body is wrong; `errors` names each parameter
    #[response(status = 400, content_type = "application/problem+json")]
    Invalid(Problem),
    /// Credentials are missing or not valid
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(Problem),
    /// The role lacks the scope that this needs
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// Too many requests, or too many failures to authenticate; `Retry-After` says when to come again
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(Problem),
    /// The server failed; its log has the details
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(Problem),
    /// Busy, too slow, or without its store; `Retry-After` says when to come again
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}
