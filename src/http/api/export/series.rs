//! `GET /api/v1/export`: the same questions as `metrics`, as a file of any length.

use axum::{extract::State, response::Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Beginning, File, FileParameters, FileRequest};
use crate::{
    http::{
        api::{
            comma_list::comma_list,
            enum_schemas,
            error_responses::{ErrorResponses, FileErrorResponses, Undefined},
        },
        middleware::scopes::MayRead,
        problem::Problem,
        service::Shared,
    },
    query::{Export, SeriesQuery, SeriesRequest, View, ViewRequest},
};

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportParameters {
    /// The first day, `YYYY-MM-DD`; the first recorded day by default
    #[param(format = Date)]
    from: Option<String>,
    /// The last day, `YYYY-MM-DD`; the last finished day by default
    #[param(format = Date)]
    to: Option<String>,
    /// Categories, separated by commas; all active metrics by default
    category: Option<String>,
    /// Types, separated by commas: `count`, `average`, `percentage`, `aggregate`
    r#type: Option<String>,
    /// Intervals, separated by commas: `day` (the default), `week`, `month`, `quarter`, `year`; the rows of one
    /// interval follow those of the one before
    interval: Option<String>,
    /// The first day of a week: `monday` … `sunday`; by default as configured
    #[param(schema_with = enum_schemas::weekdays, required = false)]
    week_start: Option<String>,
    /// `in_force` (the default) or `recorded`, the values of the records whether they were corrected or not
    #[param(schema_with = enum_schemas::values, required = false)]
    values: Option<String>,
    /// What was known at this instant, as in 2025-01-31T12:00:00Z, or at the end of this day: records and corrections that were
    /// made later are left out. By default now
    as_of: Option<String>,
}

/// Export the recorded values
///
/// Streams a row for each metric and day or longer interval. A gap is a row without a value, with its cause as `state`.
/// Values have every recorded digit: as text in CSV, as numbers in JSON, as DECIMAL in Parquet. A body that ends
/// without the last chunk of HTTP is incomplete.
#[utoipa::path(
    get,
    path = "/api/v1/export",
    operation_id = "export",
    tag = "record",
    params(FileParameters, ExportParameters),
    responses(File, FileErrorResponses, Undefined, ErrorResponses)
)]
pub async fn series(
    State(service): State<Shared>,
    MayRead(principal): MayRead,
    request: FileRequest<ExportParameters>,
) -> Result<Response, Problem> {
    let beginning = Beginning::new(&service, &principal, &request)?;
    let catalogue = service.catalogue().await?;
    let parameters = request.parameters;
    let view = ViewRequest { values: parameters.values.as_deref(), as_of: parameters.as_of.as_deref() };
    let View { context, catalogue, values } = View::new(&service.context, &catalogue, view).await?;
    let asked = SeriesRequest { values, ..parameters.asked() };
    let question = SeriesQuery::parse_export(&asked, &context, &catalogue, &service.query).await?;
    let name = format!("daymark_{}_{}", question.from, question.to);
    let export = Export::series(context, catalogue, question, beginning.format);
    beginning.answer(&name, export).await
}

impl ExportParameters {
    fn asked(self) -> SeriesRequest {
        SeriesRequest {
            from: self.from,
            to: self.to,
            categories: comma_list(self.category.as_deref()),
            types: comma_list(self.r#type.as_deref()),
            intervals: comma_list(self.interval.as_deref()),
            week_start: self.week_start,
            ..SeriesRequest::default()
        }
    }
}
