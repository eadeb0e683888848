//! `GET /api/v1/export/redactions`: the log of redactions, as a file.

use axum::{extract::State, response::Response};

use super::{Beginning, File, FileParameters, FileRequest};
use crate::{
    http::{
        api::{
            error_responses::{ErrorResponses, FileErrorResponses},
            no_query::NoQuery,
        },
        middleware::scopes::MaySeeLog,
        problem::Problem,
        service::Shared,
    },
    query::Export,
};

/// Export the log of redactions
///
/// A row for each metric and each kind of text that had a label, newest redaction first.
#[utoipa::path(
    get,
    path = "/api/v1/export/redactions",
    operation_id = "export_redactions",
    tag = "runs",
    params(FileParameters),
    responses(File, FileErrorResponses, ErrorResponses)
)]
pub async fn redactions(
    State(service): State<Shared>,
    MaySeeLog(principal): MaySeeLog,
    request: FileRequest<NoQuery>,
) -> Result<Response, Problem> {
    let beginning = Beginning::new(&service, &principal, &request)?;
    let export = Export::redactions(&service.context, beginning.format);
    beginning.answer("daymark_redactions", export).await
}
