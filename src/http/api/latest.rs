//! `GET /api/v1/latest`: the newest value of every metric.

use std::sync::Arc;

use async_trait::async_trait;
use axum::{extract::State, response::Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    comma_list::comma_list,
    enum_schemas,
    error_responses::{ErrorResponses, Undefined},
};
use crate::{
    http::{
        answer::Answer,
        cache::Lifetime,
        cached_query::{CachedQuery, Endpoint, Failed},
        middleware::scopes::MayRead,
        problem::Problem,
        service::{Service, Shared},
    },
    query::{self, Catalogue, LatestQuery, LatestResponse, QueryError, View, ViewRequest},
};

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LatestParameters {
    /// Categories, separated by commas; all active metrics by default
    category: Option<String>,
    /// Types, separated by commas: `count`, `average`, `percentage`, `aggregate`
    r#type: Option<String>,
    /// `in_force` (the default) or `recorded`, the values of the records whether they were corrected or not
    #[param(schema_with = enum_schemas::values, required = false)]
    values: Option<String>,
    /// What was known at this instant, as in 2025-01-31T12:00:00Z, or at the end of this day: records and corrections that were
    /// made later are left out. By default now
    as_of: Option<String>,
}

impl LatestParameters {
    pub fn question(&self, catalogue: &Catalogue) -> Result<LatestQuery, QueryError> {
        let (categories, types) = (comma_list(self.category.as_deref()), comma_list(self.r#type.as_deref()));
        LatestQuery::parse(&categories, &types, catalogue)
    }

    pub fn view(&self) -> ViewRequest<'_> {
        ViewRequest { values: self.values.as_deref(), as_of: self.as_of.as_deref() }
    }
}

/// The latest values
///
/// Returns the newest value of each metric, with its own date, and the changes since one day, one week and one month
/// before that date.
#[utoipa::path(
    get, path = "/api/v1/latest", tag = "record", params(LatestParameters),
    responses((status = 200, description = "A value for each metric", body = LatestResponse), Undefined, ErrorResponses),
)]
pub async fn latest(
    State(service): State<Shared>,
    MayRead(principal): MayRead,
    query: CachedQuery<LatestParameters>,
) -> Result<Response, Problem> {
    query.answer(&service, &principal, Lifetime::FiveMinutes).await
}

#[async_trait]
impl Endpoint for LatestParameters {
    async fn answer(&self, service: &Service, catalogue: &Arc<Catalogue>) -> Result<Answer, Failed> {
        let View { context, catalogue, values } = View::new(&service.context, catalogue, self.view()).await?;
        let question = self.question(&catalogue)?.of(values);
        let reservation = service.answer_memory.reserve(question.memory_bytes(&catalogue)).await;
        let latest = query::latest(&context, &catalogue, &question).await?;
        Ok(Answer::json(&latest)?.holding(reservation))
    }
}
