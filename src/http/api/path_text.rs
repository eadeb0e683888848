//! The parameter of a path, as text.

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};

use crate::http::problem::Problem;

/// The only parameter of the path. A path that is not percent-encoded UTF-8 leads nowhere, and is answered with a problem.
pub struct PathText(pub String);

impl<S: Sync + Send> FromRequestParts<S> for PathText {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(text)) => Ok(Self(text)),
            Err(_) => Err(Problem::not_found("the path is not valid percent-encoded UTF-8")),
        }
    }
}
