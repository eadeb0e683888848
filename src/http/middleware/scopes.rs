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

fn require(parts: &Parts, scope: Scope) -> Result<Principal, Problem> {
    match parts.extensions.get::<Principal>() {
        Some(principal) if principal.may(scope) => Ok(principal.clone()),
        Some(principal) if principal.role != Role::Anonymous => {
            let role = principal.role.name();
            Err(Problem::forbidden(format!("the role {role} lacks the scope `{}`", scope.name())))
        }
        _ => Err(Problem::unauthenticated(format!(
            "this request requires credentials with the scope `{}`",
            scope.name()
        ))),
    }
}
