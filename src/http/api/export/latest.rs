//! `GET /api/v1/export/latest`: where every metric stands, as a file.

use axum::{extract::State, response::Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Beginning, File, FileParameters};
use crate::{
    http::{
        api::{
            comma_list::comma_list,
            enum_schemas,
            error_responses::{ErrorResponses, FileErrorResponses, Undefined},
        },
        middleware::scopes::MayRead,
        parameters::Parameters,
        problem::Problem,
        service::Shared,
    },
    query::{Export, LatestQuery},
};

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LatestExportParameters {
    /// `csv` (the default), `json`, `ndjson` or `parquet`
    #[param(schema_with = enum_schemas::formats, required = false)]
    format: Option<String>,
    /// CSV: `true` begins the file with a byte order mark, by which Excel tells UTF-8
    #[param(value_type = Option<bool>)]
    bom: Option<String>,
    /// CSV: `true` cuts cells that are longer than the 32,767 characters that spreadsheets take
    #[param(value_type = Option<bool>)]
    cut_cells: Option<String>,
    /// Categories, separated by commas; by default all active metrics
    category: Option<String>,
    /// Types, separated by commas: `count`, `average`, `percentage`, `aggregate`
    r#type: Option<String>,
}

/// A file of the latest values
///
/// A row for each metric: its newest record with its own date, and the values a day, a week and a month before with the
/// change since. A metric without any record has a row without a date and a value.
#[utoipa::path(
    get,
    path = "/api/v1/export/latest",
    operation_id = "export_latest",
    tag = "record",
    params(LatestExportParameters),
    responses(File, FileErrorResponses, Undefined, ErrorResponses)
)]
pub async fn latest(
    State(service): State<Shared>,
    MayRead(principal): MayRead,
    Parameters(parameters): Parameters<LatestExportParameters>,
) -> Result<Response, Problem> {
    let file = FileParameters {
        format: parameters.format.as_deref(),
        bom: parameters.bom.as_deref(),
        cut_cells: parameters.cut_cells.as_deref(),
    };
    let beginning = Beginning::new(&service, &principal, file)?;
    let (categories, types) =
        (comma_list(parameters.category.as_deref()), comma_list(parameters.r#type.as_deref()));
    let catalogue = service.catalogue().await?;
    let context = &service.context;
    let question = LatestQuery::parse(&categories, &types, &catalogue)?;
    let name = format!("daymark_latest_{}", context.last_finished());
    let export = Export::latest(context, &catalogue, &question, beginning.format);
    beginning.answer(&name, export).await
}
