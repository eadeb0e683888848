//! `GET /api/v1/corrections`: the corrections of recorded values.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{comma_list::comma_list, enum_schemas, error_responses::ErrorResponses};
use crate::{
    http::{
        middleware::scopes::MayRead, parameters::Parameters, problem::Problem, service::Shared,
        uncached::Uncached,
    },
    query::{self, CorrectionsQuery, CorrectionsRequest, CorrectionsResponse, View, ViewRequest},
};

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CorrectionsParameters {
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
    /// The maximum number of corrections on a page, from 1 to 200; 50 by default
    #[param(value_type = Option<u8>, minimum = 1, maximum = 200)]
    limit: Option<String>,
    /// `next_cursor` of the previous page; the other parameters must be the same
    cursor: Option<String>,
}

/// Corrections
///
/// The corrections of recorded values, newest first, with their reasons and authors.
#[utoipa::path(
    get, path = "/api/v1/corrections", tag = "record", params(CorrectionsParameters),
    responses((status = 200, description = "A page of corrections", body = CorrectionsResponse), ErrorResponses),
)]
pub async fn list_corrections(
    State(service): State<Shared>,
    _: MayRead,
    Parameters(parameters): Parameters<CorrectionsParameters>,
) -> Result<Uncached<CorrectionsResponse>, Problem> {
    let CorrectionsParameters { from, to, category, state, basis, as_of, limit, cursor } = parameters;
    let request = ViewRequest { values: None, as_of: as_of.as_deref() };
    let catalogue = service.catalogue().await?;
    let view = View::new(&service.context, &catalogue, request).await?;
    let categories = comma_list(category.as_deref());
    let asked = CorrectionsRequest { from, to, categories, state, basis, limit, cursor };
    let question = CorrectionsQuery::parse(&asked, &catalogue, view.values.as_of)?;
    let answer = query::corrections(&service.context, &question).await?;
    Ok(Uncached(answer))
}
