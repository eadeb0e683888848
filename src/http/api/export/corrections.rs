//! `GET /api/v1/export/corrections`: the corrections of recorded values, as a file.

use axum::{extract::State, response::Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Beginning, File, FileParameters, FileRequest};
use crate::{
    http::{
        api::{
            comma_list::comma_list,
            enum_schemas,
            error_responses::{ErrorResponses, FileErrorResponses},
        },
        middleware::scopes::MayRead,
        problem::Problem,
        service::Shared,
    },
    query::{CorrectionsQuery, CorrectionsRequest, Export, View, ViewRequest},
};

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CorrectionsExportParameters {
    /// The first corrected day, `YYYY-MM-DD`; by default there is no first one
    #[param(format = Date)]
    from: Option<String>,
    /// The last corrected day, `YYYY-MM-DD`; by default there is no last one
    #[param(format = Date)]
    to: Option<String>,
    /// Categories, separated by commas; all metrics by default
    category: Option<String>,
    /// `all` (the default), or `in_force`: without corrections that were replaced or taken back, and without reversals
    #[param(schema_with = enum_schemas::correction_states, required = false)]
    state: Option<String>,
    /// `manual`, `reconstruction` (days that were restated) or `redaction` (days of which a label was redacted); all by default
    #[param(schema_with = enum_schemas::correction_bases, required = false)]
    basis: Option<String>,
    /// The corrections that were made until this instant, as in 2025-01-31T12:00:00Z, or until the end of this day; by default now
    as_of: Option<String>,
}

/// Export the corrections
///
/// Streams a row for each correction, newest first, with its reason, its author and the value of the record.
#[utoipa::path(
    get,
    path = "/api/v1/export/corrections",
    operation_id = "export_corrections",
    tag = "record",
    params(FileParameters, CorrectionsExportParameters),
    responses(File, FileErrorResponses, ErrorResponses)
)]
pub async fn corrections(
    State(service): State<Shared>,
    MayRead(principal): MayRead,
    request: FileRequest<CorrectionsExportParameters>,
) -> Result<Response, Problem> {
    let beginning = Beginning::new(&service, &principal, &request)?;
    let CorrectionsExportParameters { from, to, category, state, basis, as_of } = request.parameters;
    let catalogue = service.catalogue().await?;
    let view = ViewRequest { values: None, as_of: as_of.as_deref() };
    let view = View::new(&service.context, &catalogue, view).await?;
    let categories = comma_list(category.as_deref());
    let asked = CorrectionsRequest { from, to, categories, state, basis, limit: None, cursor: None };
    let question = CorrectionsQuery::parse(&asked, &catalogue, view.values.as_of)?;
    let export = Export::corrections(service.context.clone(), question, beginning.format);
    beginning.answer("daymark_corrections", export).await
}
