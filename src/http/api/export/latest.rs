//! `GET /api/v1/export/latest`: the latest value of every metric, as a file.

use axum::{extract::State, response::Response};

use super::{Beginning, File, FileParameters, FileRequest};
use crate::{
    http::{
        api::{
            error_responses::{ErrorResponses, FileErrorResponses, Undefined},
            latest::LatestParameters,
        },
        middleware::scopes::MayRead,
        problem::Problem,
        service::Shared,
    },
    query::{Export, View},
};

/// Export the latest values
///
/// Streams a row for each metric: its newest record with its own date, and the values a day, a week and a month before
/// with the changes since then. A metric without records has a row without a date and a value.
#[utoipa::path(
    get,
    path = "/api/v1/export/latest",
    operation_id = "export_latest",
    tag = "record",
    params(FileParameters, LatestParameters),
    responses(File, FileErrorResponses, Undefined, ErrorResponses)
)]
pub async fn latest(
    State(service): State<Shared>,
    MayRead(principal): MayRead,
    request: FileRequest<LatestParameters>,
) -> Result<Response, Problem> {
    let beginning = Beginning::new(&service, &principal, &request)?;
    let catalogue = service.catalogue().await?;
    let parameters = request.parameters;
    let View { context, catalogue, values } =
        View::new(&service.context, &catalogue, parameters.view()).await?;
    let question = parameters.question(&catalogue)?.of(values);
    let name = format!("daymark_latest_{}", context.last_finished());
    let export = Export::latest(&context, &catalogue, &question, beginning.format);
    beginning.answer(&name, export).await
}
