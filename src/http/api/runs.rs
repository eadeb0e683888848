//! `GET /api/v1/runs` and `GET /api/v1/runs/{id}`: the collection log.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::{enum_schemas, error_responses::ErrorResponses, no_query::NoQuery, path_text::PathText};
use crate::{
    http::{
        middleware::scopes::MaySeeLog, parameters::Parameters, problem::Problem, service::Shared,
        uncached::Uncached,
    },
    query::{self, RunEntry, RunsQuery, RunsRequest, RunsResponse},
};

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RunsParameters {
    /// Selects the runs that include this day, `YYYY-MM-DD`, or a later one; requires `to`
    #[param(format = Date)]
    from: Option<String>,
    /// Selects the runs that include this day, `YYYY-MM-DD`, or an earlier one; requires `from`
    #[param(format = Date)]
    to: Option<String>,
    /// `running`, `completed`, `partial` or `failed`
    #[param(schema_with = enum_schemas::run_statuses, required = false)]
    status: Option<String>,
    /// `collect` or `backfill`
    #[param(schema_with = enum_schemas::run_kinds, required = false)]
    kind: Option<String>,
    /// The maximum number of runs on a page, from 1 to 200; 50 by default
    #[param(value_type = Option<u8>, minimum = 1, maximum = 200)]
    limit: Option<String>,
    /// `next_cursor` of the previous page; the other parameters must be the same
    cursor: Option<String>,
}

/// The collection log
///
/// Returns runs, newest first.
#[utoipa::path(
    get, path = "/api/v1/runs", tag = "runs", params(RunsParameters),
    responses((status = 200, description = "A page of runs", body = RunsResponse), ErrorResponses),
)]
pub async fn runs(
    State(service): State<Shared>,
    _: MaySeeLog,
    Parameters(parameters): Parameters<RunsParameters>,
) -> Result<Uncached<RunsResponse>, Problem> {
    let RunsParameters { from, to, status, kind, limit, cursor } = parameters;
    let question = RunsQuery::parse(&RunsRequest { from, to, status, kind, limit, cursor })?;
    let answer = query::runs(&service.context, &question).await?;
    Ok(Uncached(answer))
}

/// One run
#[utoipa::path(
    get, path = "/api/v1/runs/{id}", tag = "runs", params(("id" = Uuid, Path, description = "The run")),
    responses(
        (status = 200, description = "The run", body = RunEntry),
        (status = 404, description = "No run has this id", body = Problem, content_type = "application/problem+json"),
        ErrorResponses,
    ),
)]
pub async fn run(
    State(service): State<Shared>,
    _: MaySeeLog,
    _: Parameters<NoQuery>,
    PathText(id): PathText,
) -> Result<Uncached<RunEntry>, Problem> {
    let id: Uuid = id
        .parse()
        .map_err(|_| Problem::not_found("the id of a run is a UUID; /api/v1/runs lists all runs"))?;
    let answer = query::run(&service.context, id).await?;
    Ok(Uncached(answer))
}
