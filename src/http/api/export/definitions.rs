//! `GET /api/v1/export/definitions`: the metrics, as a file.

use axum::{extract::State, response::Response};

use super::{Beginning, File, FileParameters, FileRequest};
use crate::{
    http::{
        api::{
            error_responses::{ErrorResponses, FileErrorResponses},
            no_query::NoQuery,
        },
        middleware::scopes::MayRead,
        problem::Problem,
        service::Shared,
    },
    query::Export,
};

/// Export the metrics
///
/// Streams a row for each metric that was ever defined, active or not, in its current version.
#[utoipa::path(
    get,
    path = "/api/v1/export/definitions",
    operation_id = "export_definitions",
    tag = "record",
    params(FileParameters),
    responses(File, FileErrorResponses, ErrorResponses)
)]
pub async fn definitions(
    State(service): State<Shared>,
    MayRead(principal): MayRead,
    request: FileRequest<NoQuery>,
) -> Result<Response, Problem> {
    let beginning = Beginning::new(&service, &principal, &request)?;
    let catalogue = service.catalogue().await?;
    let export = Export::definitions(&catalogue, beginning.format);
    beginning.answer("daymark_definitions", export).await
}
