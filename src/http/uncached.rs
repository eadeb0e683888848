//! Answers that are computed for each request.

use axum::{
    Json,
    http::header,
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// JSON that no cache may keep.
pub struct Uncached<T>(pub T);

impl<T: Serialize> IntoResponse for Uncached<T> {
    fn into_response(self) -> Response {
        ([(header::CACHE_CONTROL, "no-store")], Json(self.0)).into_response()
    }
}
