//! The principal of a request, and whether it may do what the request asks, with PostgreSQL's words for a refusal.

use axum::{Extension, http::StatusCode};

use super::error::RestError;
use crate::access::{Principal, Role, Scope};

/// A request without a principal is refused.
pub(super) type Caller = Option<Extension<Principal>>;

/// The caller, unless it lacks the `scope` that is needed for `what`, as in `table daily_metrics`.
pub(super) fn require(caller: Caller, scope: Scope, what: &str) -> Result<Principal, RestError> {
    match caller {
        Some(Extension(principal)) if principal.may(scope) => Ok(principal),
        Some(Extension(principal)) => Err(denied(&principal, what)),
        None => Err(RestError::new(StatusCode::UNAUTHORIZED, "PGRST302", "Anonymous access is disabled")),
    }
}

/// The error for an operation that is not permitted to any principal.
pub(super) fn refuse(caller: Caller, what: &str) -> RestError {
    match caller {
        Some(Extension(principal)) => denied(&principal, what),
        None => RestError::new(StatusCode::UNAUTHORIZED, "PGRST302", "Anonymous access is disabled"),
    }
}

/// 401 for anonymous principals, which may have a key, and 403 for others.
fn denied(principal: &Principal, what: &str) -> RestError {
    let status = match principal.role {
        Role::Anonymous => StatusCode::UNAUTHORIZED,
        _ => StatusCode::FORBIDDEN,
    };
    RestError::new(status, "42501", format!("permission denied for {what}"))
}
