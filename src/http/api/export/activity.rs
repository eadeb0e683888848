//! `GET /api/v1/export/activity`: the last days, exactly as many as asked, as a file.

use std::sync::Arc;

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
    query::{ActivityQuery, Export, ExportQuery},
};

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ActivityExportParameters {
    /// `csv` (the default), `json`, `ndjson` or `parquet`
    #[param(schema_with = enum_schemas::formats, required = false)]
    format: Option<String>,
    /// CSV: `true` begins the file with a byte order mark, by which Excel tells UTF-8
    #[param(value_type = Option<bool>)]
    bom: Option<String>,
    /// CSV: `true` cuts cells that are longer than the 32,767 characters that spreadsheets take
    #[param(value_type = Option<bool>)]
    cut_cells: Option<String>,
    /// How many days; by default 30
    #[param(value_type = Option<u16>, minimum = 1)]
    days: Option<String>,
    /// Categories, separated by commas; by default all active metrics
    category: Option<String>,
    /// Types, separated by commas: `count`, `average`, `percentage`, `aggregate`
    r#type: Option<String>,
}

/// A file of the last days
///
/// For each metric exactly as many rows as days were asked for, up to the last finished day. A day without a record is a
/// row without a value, with the cause as its `state`.
#[utoipa::path(
    get,
    path = "/api/v1/export/activity",
    operation_id = "export_activity",
    tag = "record",
    params(ActivityExportParameters),
    responses(File, FileErrorResponses, Undefined, ErrorResponses)
)]
pub async fn activity(
    State(service): State<Shared>,
    MayRead(principal): MayRead,
    Parameters(parameters): Parameters<ActivityExportParameters>,
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
    let (context, settings) = (&service.context, &service.query);
    let days = parameters.days.as_deref();
    let question = ActivityQuery::parse(days, &categories, &types, &catalogue, settings)?;
    let question = ExportQuery::activity(&question, context, settings);
    let name = format!("daymark_{}_{}", question.from, question.to);
    let export = Export::series(context.clone(), Arc::clone(&catalogue), question, beginning.format);
    beginning.answer(&name, export).await
}
