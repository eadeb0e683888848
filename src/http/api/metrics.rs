//! `GET /api/v1/metrics`: series of values over a range of days.

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
        problem::{InvalidParameter, Problem},
        service::{Service, Shared},
    },
    query::{self, Catalogue, SeriesRequest, SeriesResponse, View, ViewRequest},
    store::ValuesAsked,
};

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SeriesParameters {
    /// The first day, `YYYY-MM-DD`; by default the range is the 30 days up to `to`, or `query.max_points` days if that
    /// is less
    #[param(format = Date)]
    from: Option<String>,
    /// The last day, `YYYY-MM-DD`; the last finished day by default
    #[param(format = Date)]
    to: Option<String>,
    /// Categories, separated by commas; all active metrics by default
    category: Option<String>,
    /// Types, separated by commas: `count`, `average`, `percentage`, `aggregate`
    r#type: Option<String>,
    /// Intervals, separated by commas: `day` (the default), `week`, `month`, `quarter`, `year`
    interval: Option<String>,
    /// The first day of a week: `monday` … `sunday`; by default as configured
    #[param(schema_with = enum_schemas::weekdays, required = false)]
    week_start: Option<String>,
    /// `true` adds the metadata of the records to the points
    #[param(value_type = Option<bool>)]
    metadata: Option<String>,
    /// `true` adds the judgements of the values to the points of days
    #[param(value_type = Option<bool>)]
    judgement: Option<String>,
    /// `in_force` (the default) or `recorded`, the values of the records whether they were corrected or not
    #[param(schema_with = enum_schemas::values, required = false)]
    values: Option<String>,
    /// What was known at this instant, as in 2025-01-31T12:00:00Z, or at the end of this day: records and corrections that were
    /// made later are left out. By default now
    as_of: Option<String>,
    /// The maximum number of series on a page, from 1 to 200; 50 by default. A page with many days has fewer
    #[param(value_type = Option<u8>, minimum = 1, maximum = 200)]
    limit: Option<String>,
    /// `next_cursor` of the previous page; the other parameters must be the same
    cursor: Option<String>,
}

impl SeriesParameters {
    fn asked(&self, values: ValuesAsked) -> Result<SeriesRequest, Problem> {
        let (metadata, judgement) =
            (flag("metadata", self.metadata.as_deref())?, flag("judgement", self.judgement.as_deref())?);
        Ok(SeriesRequest {
            from: self.from.clone(),
            to: self.to.clone(),
            categories: comma_list(self.category.as_deref()),
            types: comma_list(self.r#type.as_deref()),
            intervals: comma_list(self.interval.as_deref()),
            week_start: self.week_start.clone(),
            metadata,
            judgement,
            values,
            limit: self.limit.clone(),
            cursor: self.cursor.clone(),
        })
    }
}

/// Values over a range of days
///
/// Returns one series for each metric and interval. A day without a record is a point without a value, and `gaps` has
/// its cause and the command that fills it. Points of weeks and longer intervals have the number of their recorded
/// days.
#[utoipa::path(
    get, path = "/api/v1/metrics", tag = "record", params(SeriesParameters),
    responses(
        (status = 200, description = "Series", body = SeriesResponse),
        (status = 422, description = "The values of a metric do not add up over days", body = Problem,
            content_type = "application/problem+json"),
        Undefined,
        ErrorResponses,
    ),
)]
pub async fn metrics(
    State(service): State<Shared>,
    MayRead(principal): MayRead,
    query: CachedQuery<SeriesParameters>,
) -> Result<Response, Problem> {
    query.answer(&service, &principal, Lifetime::FiveMinutes).await
}

#[async_trait]
impl Endpoint for SeriesParameters {
    async fn answer(&self, service: &Service, catalogue: &Arc<Catalogue>) -> Result<Answer, Failed> {
        let request = ViewRequest { values: self.values.as_deref(), as_of: self.as_of.as_deref() };
        let View { context, catalogue, values } = View::new(&service.context, catalogue, request).await?;
        let asked = self.asked(values)?;
        let question =
            query::SeriesQuery::parse(&asked, &catalogue, &service.query, context.last_finished())?;
        let reservation = service.answer_memory.reserve(question.memory_bytes(&catalogue)).await;
        let series = query::series(&context, &catalogue, &question).await?;
        Ok(Answer::series(&series, reservation)?)
    }
}

fn flag(name: &str, value: Option<&str>) -> Result<bool, Problem> {
    match value {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => {
            let detail = format!("`{name}` must be `true` or `false`");
            let parameter = name.to_owned();
            Err(Problem::invalid_parameters(vec![InvalidParameter { parameter, detail }]))
        }
    }
}
