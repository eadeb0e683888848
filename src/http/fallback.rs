//! Answers where there is no route.

use axum::http::{Method, StatusCode, Uri};

use super::problem::Problem;

pub async fn not_found(uri: Uri) -> Problem {
    Problem::not_found(format!("there is nothing at {}; /docs lists what there is", uri.path()))
}

pub async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    Problem::new(status, "method-not-allowed", "The method is not allowed here")
        .detail(format!("{} cannot be asked for with {method}", uri.path()))
}
