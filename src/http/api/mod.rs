//! `/api/v1`: an endpoint a file, each with its path, its parameters, its answers and its documentation.

mod body;
mod jobs;

use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::service::Shared;

/// Largest body of a request, in bytes.
pub const MAX_BODY: usize = 64 * 1024;

#[derive(OpenApi)]
#[openapi(info(
    title = "Daymark",
    description = "The recorded history of a platform: one value for each metric and finished day, never rewritten."
))]
struct Document;

pub fn router() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(jobs::collect))
        .routes(routes!(jobs::backfill))
        .routes(routes!(jobs::show))
}
