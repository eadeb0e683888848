//! `GET /api/v1/export/runs`: the collection log, as a file.

use axum::{extract::State, response::Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Beginning, File, FileParameters};
use crate::{
    http::{
        api::{
            enum_schemas,
            error_responses::{ErrorResponses, FileErrorResponses},
        },
        middleware::scopes::MaySeeLog,
        parameters::Parameters,
        problem::Problem,
        service::Shared,
    },
    query::{Export, RunsQuery, RunsRequest},
};

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RunsExportParameters {
    /// `csv` (the default), `json`, `ndjson` or `parquet`
    #[param(schema_with = enum_schemas::formats, required = false)]
    format: Option<String>,
    /// CSV: `true` begins the file with a byte order mark, by which Excel tells UTF-8
    #[param(value_type = Option<bool>)]
    bom: Option<String>,
    /// CSV: `true` cuts cells that are longer than the 32,767 characters that spreadsheets take
    #[param(value_type = Option<bool>)]
    cut_cells: Option<String>,
    /// Only runs of days from this one, `YYYY-MM-DD`; together with `to`
    #[param(format = Date)]
    from: Option<String>,
    /// Only runs of days up to this one, `YYYY-MM-DD`; together with `from`
    #[param(format = Date)]
    to: Option<String>,
    /// `running`, `completed`, `partial` or `failed`
    #[param(schema_with = enum_schemas::run_statuses, required = false)]
    status: Option<String>,
    /// `collect` or `backfill`
    #[param(schema_with = enum_schemas::run_kinds, required = false)]
    kind: Option<String>,
}

/// A file of the collection log
///
/// A row for each run, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/export/runs",
    operation_id = "export_runs",
    tag = "runs",
    params(RunsExportParameters),
    responses(File, FileErrorResponses, ErrorResponses)
)]
pub async fn runs(
    State(service): State<Shared>,
    MaySeeLog(principal): MaySeeLog,
    Parameters(parameters): Parameters<RunsExportParameters>,
) -> Result<Response, Problem> {
    let RunsExportParameters { format, bom, cut_cells, from, to, status, kind } = parameters;
    let file =
        FileParameters { format: format.as_deref(), bom: bom.as_deref(), cut_cells: cut_cells.as_deref() };
    let beginning = Beginning::new(&service, &principal, file)?;
    let asked = RunsRequest { from, to, status, kind, limit: None, cursor: None };
    let question = RunsQuery::parse(&asked)?;
    let export = Export::runs(service.context.clone(), question, beginning.format);
    beginning.answer("daymark_runs", export).await
}
