//! `GET /api/v1/export/definitions`: the metrics, as a file.

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
        middleware::scopes::MayRead,
        parameters::Parameters,
        problem::Problem,
        service::Shared,
    },
    query::Export,
};

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DefinitionsExportParameters {
    /// `csv` (the default), `json`, `ndjson` or `parquet`
    #[param(schema_with = enum_schemas::formats, required = false)]
    format: Option<String>,
    /// CSV: `true` begins the file with a byte order mark, by which Excel tells UTF-8
    #[param(value_type = Option<bool>)]
    bom: Option<String>,
    /// CSV: `true` cuts cells that are longer than the 32,767 characters that spreadsheets take
    #[param(value_type = Option<bool>)]
    cut_cells: Option<String>,
}

/// A file of the metrics
///
/// A row for each metric that was ever defined, active or not, in its current version.
#[utoipa::path(
    get,
    path = "/api/v1/export/definitions",
    operation_id = "export_definitions",
    tag = "record",
    params(DefinitionsExportParameters),
    responses(File, FileErrorResponses, ErrorResponses)
)]
pub async fn definitions(
    State(service): State<Shared>,
    MayRead(principal): MayRead,
    Parameters(parameters): Parameters<DefinitionsExportParameters>,
) -> Result<Response, Problem> {
    let file = FileParameters {
        format: parameters.format.as_deref(),
        bom: parameters.bom.as_deref(),
        cut_cells: parameters.cut_cells.as_deref(),
    };
    let beginning = Beginning::new(&service, &principal, file)?;
    let catalogue = service.catalogue().await?;
    let export = Export::definitions(&catalogue, beginning.format);
    beginning.answer("daymark_definitions", export).await
}
