//! Who asks, and whether they may: with PostgreSQL's words for those who may not.

use axum::{Extension, http::StatusCode};

use super::error::RestError;
use crate::access::{Principal, Role, Scope};

/// Until it is known who asks, nothing is answered.
pub(super) type Caller = Option<Extension<Principal>>;

/// Fails unless the caller may do what needs `scope` with `what`, as in `table daily_metrics`.
pub(super) fn require(caller: Caller, scope: Scope, what: &str) -> Result<(), RestError> {
    match caller {
        Some(Extension(principal)) if principal.may(scope) => Ok(()),
        Some(Extension(principal)) => Err(denied(&principal, what)),
        None => Err(RestError::new(StatusCode::UNAUTHORIZED, "PGRST302", "Anonymous access is disabled")),
    }
}

/// Of what nobody may do.
pub(super) fn refuse(caller: Caller, what: &str) -> RestError {
    match caller {
        Some(Extension(principal)) => denied(&principal, what),
        None => RestError::new(StatusCode::UNAUTHORIZED, "PGRST302", "Anonymous access is disabled"),
    }
}

/// 401 for those who might get further with a key, 403 for those who have shown theirs.
fn denied(principal: &Principal, what: &str) -> RestError {
    let status = match principal.role {
        Role::Anonymous => StatusCode::UNAUTHORIZED,
        _ => StatusCode::FORBIDDEN,
    };
    RestError::new(status, "42501", format!("permission denied for {what}"))
}
