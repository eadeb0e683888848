//! `GET /api/v1/export`: the same questions as `metrics`, as a file of any length.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::IntoParams;

use super::{choices, lists::list, refusals::Refusals};
use crate::{
    config::{shown, suggestion},
    http::{
        middleware::admit::MayRead,
        parameters::Parameters,
        problem::{InvalidParameter, Problem},
        service::Shared,
        shares::{Share, Taken},
    },
    query::{Asked, Export, ExportFormat, ExportQuestion, QueryError},
};

/// When to come again, in seconds, while others are exporting.
const RETRY_AFTER: u64 = 5;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportParameters {
    /// `csv` (the default), `json`, `ndjson` or `parquet`
    #[param(schema_with = choices::formats, required = false)]
    format: Option<String>,
    /// The first day, `YYYY-MM-DD`; by default the first recorded one
    #[param(format = Date)]
    from: Option<String>,
    /// The last day, `YYYY-MM-DD`; by default the last finished day
    #[param(format = Date)]
    to: Option<String>,
    /// Categories, separated by commas; by default all active metrics
    category: Option<String>,
    /// Types, separated by commas: `count`, `average`, `percentage`, `aggregate`
    r#type: Option<String>,
    /// Intervals, separated by commas: `day` (the default), `week`, `month`, `quarter`, `year`; one after the other
    interval: Option<String>,
    /// The first day of a week: `monday` … `sunday`; by default as configured
    #[param(schema_with = choices::weekdays, required = false)]
    week_start: Option<String>,
}

/// A file of the record
///
/// A row for each metric and day, or longer interval, streamed while it is read. A gap is a row too, with its cause as
/// `state` and without a value. Values have every digit: as text in CSV, as numbers in JSON, as DECIMAL in Parquet. A file
/// that ends without its last chunk is not whole.
#[utoipa::path(
    get, path = "/api/v1/export", tag = "record", params(ExportParameters),
    responses(
        (status = 200, description = "The file", content(
            (String = "text/csv"),
            (String = "application/json"),
            (String = "application/x-ndjson"),
            (Vec<u8> = "application/vnd.apache.parquet"),
        )),
        (status = 422, description = "These values do not add up over days", body = Problem,
            content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub async fn export(
    State(service): State<Shared>,
    MayRead(principal): MayRead,
    Parameters(parameters): Parameters<ExportParameters>,
) -> Result<Response, Problem> {
    let format = format(parameters.format.as_deref())?;
    let head_due = Instant::now() + service.http.request_timeout / 2;
    let permit = service.exports.try_take(&principal.subject).map_err(too_many)?;
    let catalogue = service.catalogue().await?;
    let context = &service.context;
    let question = ExportQuestion::parse(&parameters.asked(), context, &catalogue, &service.query).await?;
    let name = format!("daymark_{}_{}.{}", question.from, question.to, format.name());
    // What is wrong from the start can still be said as a problem.
    let export = Export::start(context.clone(), Arc::clone(&catalogue), question, format).await?;
    let mut export = export.go_on_with(&service.patient);
    // What takes long is nothing wrong: all values of a file of Parquet are looked at before it begins.
    let first = match tokio::time::timeout_at(head_due, export.next()).await {
        Ok(first) => Some(first?.unwrap_or_default()),
        Err(_) => None,
    };
    let headers = [
        (header::CONTENT_TYPE, format.content_type().to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, Body::from_stream(pieces(first, export, permit))).into_response())
}

fn too_many(taken: Taken) -> Problem {
    let problem = match taken {
        Taken::ByHolder(most) => {
            let title = "Too many exports at once";
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-exports", title).detail(format!(
                "as many of your exports are flowing as may at once ({most}); try again when one has ended"
            ))
        }
        Taken::ByAll(total) => Problem::unavailable(format!(
            "as many exports are flowing as may at once ({total}); try again when one has ended"
        )),
    };
    problem.retry_after(RETRY_AFTER)
}

/// An error ends the body before its end, which the client sees. The permit goes with the body.
fn pieces(
    first: Option<Vec<u8>>,
    export: Export,
    permit: Share,
) -> impl stream::Stream<Item = Result<Bytes, QueryError>> {
    stream::try_unfold((first, export, permit), async |(first, mut export, permit)| {
        let piece = match first {
            Some(first) => Some(first),
            None => {
                export.next().await.inspect_err(|error| tracing::error!(%error, "an export was cut off"))?
            }
        };
        Ok(piece.map(|piece| (Bytes::from(piece), (None, export, permit))))
    })
}

fn format(name: Option<&str>) -> Result<ExportFormat, Problem> {
    let Some(name) = name else { return Ok(ExportFormat::Csv) };
    ExportFormat::from_name(name).ok_or_else(|| {
        let hint = suggestion(name, ExportFormat::ALL.map(ExportFormat::name));
        let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        let detail = format!("no format is called {}{hint}", shown(name));
        Problem::invalid_parameters(vec![InvalidParameter { parameter: "format".to_owned(), detail }])
    })
}

impl ExportParameters {
    fn asked(self) -> Asked {
        Asked {
            from: self.from,
            to: self.to,
            categories: list(self.category.as_deref()),
            types: list(self.r#type.as_deref()),
            intervals: list(self.interval.as_deref()),
            week_start: self.week_start,
            ..Asked::default()
        }
    }
}
