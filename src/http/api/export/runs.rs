//! `GET /api/v1/export/runs`: the collection log, as a file.

use axum::{extract::State, response::Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Beginning, File, FileParameters, FileRequest};
use crate::{
    http::{
        api::{
            enum_schemas,
            error_responses::{ErrorResponses, FileErrorResponses},
        },
        middleware::scopes::MaySeeLog,
        problem::Problem,
        service::Shared,
    },
    query::{Export, RunsQuery, RunsRequest},
};

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RunsExportParameters {
    /// Selects the runs that include this day, `YYYY-MM-DD`, or a later one; requires `to`
    #[param(format = Date)]
    from: Option<String>,
    /// Selects the runs that include this day, `YYYY-MM-DD`, or an earlier one; requires `from`
    #[param(format = Date)]
    to: Option<String>,
    /// `running`, `completed`, `partial` or `failed`
    #[param(schema_with = enum_schemas::run_statuses, required = false)]
    status: Option<String>,
    /// `collect` or `backfill`
    #[param(schema_with = enum_schemas::run_kinds, required = false)]
    kind: Option<String>,
}

/// Export the collection log
///
/// Streams a row for each run, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/export/runs",
    operation_id = "export_runs",
    tag = "runs",
    params(FileParameters, RunsExportParameters),
    responses(File, FileErrorResponses, ErrorResponses)
)]
pub async fn runs(
    State(service): State<Shared>,
    MaySeeLog(principal): MaySeeLog,
    request: FileRequest<RunsExportParameters>,
) -> Result<Response, Problem> {
    let beginning = Beginning::new(&service, &principal, &request)?;
    let RunsExportParameters { from, to, status, kind } = request.parameters;
    let asked = RunsRequest { from, to, status, kind, limit: None, cursor: None };
    let question = RunsQuery::parse(&asked)?;
    let export = Export::runs(service.context.clone(), question, beginning.format);
    beginning.answer("daymark_runs", export).await
}
