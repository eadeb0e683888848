//! Extractors that restrict a handler to principals with a scope.

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::{
    access::{Principal, Role, Scope},
    http::problem::Problem,
};

macro_rules! requires {
    ($(#[$about:meta])* $name:ident, $scope:expr) => {
        $(#[$about])*
        pub struct $name(pub Principal);

        impl<S: Sync> FromRequestParts<S> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
                require(parts, $scope).map(Self)
            }
        }
    };
}

requires! {
    /// A principal that may read records and definitions.
    MayRead, Scope::Read
}
requires! {
    /// A principal that may read the collection log.
    MaySeeLog, Scope::Log
}
requires! {
    /// A principal that may start runs.
    MayCollect, Scope::Collect
}
requires! {
    /// A principal that may change definitions.
    MayDefine, Scope::Define
}
requires! {
    /// A principal that may correct recorded values.
    MayCorrect, Scope::Correct
}

/// A principal that may start jobs: runs, or restatements.
pub struct MayStartJobs(pub Principal);

impl<S: Sync> FromRequestParts<S> for MayStartJobs {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        require(parts, Scope::Correct).or_else(|_| require(parts, Scope::Collect)).map(Self)
    }
}

fn require(parts: &Parts, scope: Scope) -> Result<Principal, Problem> {
    match parts.extensions.get::<Principal>() {
        Some(principal) if principal.may(scope) => Ok(principal.clone()),
        Some(principal) if principal.role != Role::Anonymous => {
            let (role, scope_name) = (principal.role.name(), scope.name());
            Err(Problem::forbidden(match principal.role.scopes().contains(scope) {
                // A key may have fewer scopes than its role.
                true => format!(
                    "this API key lacks the scope `{scope_name}`, which other keys of the role {role} may have"
                ),
                false => format!("the role {role} lacks the scope `{scope_name}`"),
            }))
        }
        _ => Err(Problem::unauthenticated(format!(
            "this request requires credentials with the scope `{}`",
            scope.name()
        ))),
    }
}
