//! `GET /api/v1/activity`: the last days, exactly as many as asked.

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
    config::QuerySettings,
    http::{
        answer::Answer,
        cache::Lifetime,
        cached_query::{CachedQuery, Endpoint, Failed},
        middleware::scopes::MayRead,
        problem::Problem,
        service::{Service, Shared},
    },
    query::{self, ActivityQuery, Catalogue, QueryError, SeriesResponse, View, ViewRequest},
};

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ActivityParameters {
    /// The number of days; 30 by default
    #[param(value_type = Option<u16>, minimum = 1)]
    days: Option<String>,
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

impl ActivityParameters {
    pub fn question(
        &self,
        catalogue: &Catalogue,
        settings: &QuerySettings,
    ) -> Result<ActivityQuery, QueryError> {
        let (categories, types) = (comma_list(self.category.as_deref()), comma_list(self.r#type.as_deref()));
        ActivityQuery::parse(self.days.as_deref(), &categories, &types, catalogue, settings)
    }

    pub fn view(&self) -> ViewRequest<'_> {
        ViewRequest { values: self.values.as_deref(), as_of: self.as_of.as_deref() }
    }
}

/// The last days
///
/// Each series has exactly as many points as the requested number of days, up to the last finished day. A day without a
/// record is a point without a value.
#[utoipa::path(
    get, path = "/api/v1/activity", tag = "record", params(ActivityParameters),
    responses((status = 200, description = "A daily series for each metric", body = SeriesResponse), Undefined, ErrorResponses),
)]
pub async fn activity(
    State(service): State<Shared>,
    MayRead(principal): MayRead,
    query: CachedQuery<ActivityParameters>,
) -> Result<Response, Problem> {
    query.answer(&service, &principal, Lifetime::TenMinutes).await
}

#[async_trait]
impl Endpoint for ActivityParameters {
    async fn answer(&self, service: &Service, catalogue: &Arc<Catalogue>) -> Result<Answer, Failed> {
        let View { context, catalogue, values } = View::new(&service.context, catalogue, self.view()).await?;
        let question = self.question(&catalogue, &service.query)?.of(values);
        let reservation = service.answer_memory.reserve(question.memory_bytes()).await;
        let series = query::activity(&context, &catalogue, &service.query, &question).await?;
        Ok(Answer::series(&series, reservation)?)
    }
}
