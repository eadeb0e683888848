//! `POST /api/v1/previews`: the values that a definition would have had on the last days, without defining or recording it.

use std::time::Duration;

use axum::{extract::State, http::StatusCode};
use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    body::JsonBody,
    define::guard_query,
    error_responses::{BodyErrorResponses, ErrorResponses},
    metric_schema::MetricSchema,
    no_query::NoQuery,
};
use crate::{
    collect::reconstruction_caveats,
    definitions::{self, PREVIEW_DAYS, PreviewDays, PreviewedDay},
    http::{
        middleware::scopes::MayDefine,
        parameters::Parameters,
        problem::{InvalidParameter, Problem},
        service::{Service, Shared},
        uncached::Uncached,
    },
    metric::{Decimal, MetricType},
    query::RollUp,
};

/// How long a request waits for a preview: for as long as the platform may be read, which a preview tells with what to do, and two
/// seconds for the rest.
const LIMIT: Duration = Duration::from_secs(12);

/// What a definition gives on the last days.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreviewAnswer {
    /// The unit and the number format that the metric would have.
    unit: String,
    format_pattern: String,
    /// How the values of several days are combined, which tells whether the labels of a breakdown add up.
    roll_up: RollUp,
    /// The last 14 finished days; empty where past values cannot be computed.
    days: Vec<PreviewDay>,
    /// Why there are no values.
    left_out: Option<String>,
    /// Parts of the definition that may be mistakes.
    warnings: Vec<InvalidParameter>,
    /// What the platform's present rows do not tell of past days, a sentence each.
    cannot_know: Vec<String>,
    /// The SQL that was run on the platform.
    statements: Vec<PreviewStatement>,
}

/// The value of a day by the platform's present rows.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreviewDay {
    #[schema(value_type = String, format = Date)]
    date: Date,
    /// Null where the rows give none.
    value: Option<Decimal>,
    /// The metadata that the record would have, such as the labels of a breakdown; null where there is no value.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

/// A statement that reads the platform.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreviewStatement {
    /// The names of the sources that it reads.
    sources: Vec<String>,
    purpose: String,
    sql: String,
}

/// Preview a metric
///
/// Checks a definition as PUT does, and computes its values on the last 14 finished days from the platform's present rows.
/// Nothing is defined and nothing is recorded. The platform is read for ten seconds at most, and the answer comes within twelve.
#[utoipa::path(
    post, path = "/api/v1/previews", tag = "definitions", request_body = MetricSchema,
    responses(
        (status = 200, description = "The values", body = PreviewAnswer),
        (status = 422, description = "The definition is wrong; `errors` lists every mistake", body = Problem,
            content_type = "application/problem+json"),
        BodyErrorResponses,
        ErrorResponses,
    ),
)]
pub async fn preview(
    State(service): State<Shared>,
    _: MayDefine,
    _: Parameters<NoQuery>,
    JsonBody(body): JsonBody<Map<String, Value>>,
) -> Result<Uncached<PreviewAnswer>, Problem> {
    // A statement that cannot be interrupted, or a server that does not answer, would make the client wait for longer.
    match tokio::time::timeout(LIMIT, previewed(&service, &body)).await {
        Ok(answer) => answer.map(Uncached),
        Err(_) => Err(timed_out()),
    }
}

fn timed_out() -> Problem {
    let detail = format!(
        "the platform has not planned and read the definition within {} s: simplify its query, or run `daymark preview` with this \
         definition, which may take longer",
        LIMIT.as_secs()
    );
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "timed-out", "The request took too long")
        .detail(detail)
        .retry_after(1)
}

async fn previewed(service: &Service, body: &Map<String, Value>) -> Result<PreviewAnswer, Problem> {
    guard_query(service, body).await?;
    // The semaphore is never closed, so this cannot fail.
    let _permit = service.checks.acquire().await;
    let context = definitions::request_preview_context(&service.context);
    let days = PreviewDays::last(&context, PREVIEW_DAYS);
    let preview = definitions::preview(&context, &service.config, body, days).await?;
    let statements = definitions::preview_plan(&context, &preview.definition, days).await?;
    Ok(PreviewAnswer {
        cannot_know: reconstruction_caveats(std::iter::once(&preview.definition)),
        statements: statements
            .into_iter()
            .map(|planned| PreviewStatement {
                sources: planned.sources,
                purpose: planned.purpose,
                sql: planned.sql,
            })
            .collect(),
        roll_up: RollUp::of(&preview.definition),
        unit: preview.definition.unit,
        format_pattern: preview.definition.format_pattern,
        days: preview.days.iter().map(|day| PreviewDay::of(preview.definition.metric_type, day)).collect(),
        left_out: preview.left_out,
        warnings: preview.warnings.into_iter().map(InvalidParameter::from).collect(),
    })
}

impl PreviewDay {
    fn of(metric_type: MetricType, day: &PreviewedDay) -> Self {
        let value = day.value(metric_type).cloned();
        let metadata = day.seen.as_ref().filter(|_| value.is_some()).map(|seen| seen.metadata.clone());
        Self { date: day.date, value, metadata }
    }
}
