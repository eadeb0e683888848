//! `GET /api/v1/export/activity`: the last days, exactly as many as asked, as a file.

use axum::{extract::State, response::Response};

use super::{Beginning, File, FileParameters, FileRequest};
use crate::{
    http::{
        api::{
            activity::ActivityParameters,
            error_responses::{ErrorResponses, FileErrorResponses, Undefined},
        },
        middleware::scopes::MayRead,
        problem::Problem,
        service::Shared,
    },
    query::{Export, View},
};

/// Export the last days
///
/// Streams exactly as many rows for each metric as the requested number of days, up to the last finished day. A day
/// without a record is a row without a value, with the cause as its `state`.
#[utoipa::path(
    get,
    path = "/api/v1/export/activity",
    operation_id = "export_activity",
    tag = "record",
    params(FileParameters, ActivityParameters),
    responses(File, FileErrorResponses, Undefined, ErrorResponses)
)]
pub async fn activity(
    State(service): State<Shared>,
    MayRead(principal): MayRead,
    request: FileRequest<ActivityParameters>,
) -> Result<Response, Problem> {
    let beginning = Beginning::new(&service, &principal, &request)?;
    let catalogue = service.catalogue().await?;
    let (parameters, settings) = (request.parameters, &service.query);
    let view = View::new(&service.context, &catalogue, parameters.view()).await?;
    let View { context, catalogue, values } = view;
    let question = parameters.question(&catalogue, settings)?.of(values);
    let question = question.series(&context, settings);
    let name = format!("daymark_{}_{}", question.from, question.to);
    let export = Export::series(context, catalogue, question, beginning.format);
    beginning.answer(&name, export).await
}
