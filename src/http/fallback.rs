//! Answers to requests for an unknown path or method.

use axum::http::{Method, StatusCode, Uri};

use super::problem::Problem;

pub async fn not_found(uri: Uri) -> Problem {
    Problem::not_found(format!("no resource has the path {}; /docs lists all paths", uri.path()))
}

pub async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    Problem::new(status, "method-not-allowed", "The method is not allowed")
        .detail(format!("the path {} does not support the method {method}", uri.path()))
}
