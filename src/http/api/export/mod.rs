//! `/api/v1/export`: the answers of the API as files, with a module for each endpoint. This module has the shared
//! parts: the format, the limit of exports at once, and that no status is sent before the first page is read.

pub mod activity;
pub mod corrections;
pub mod definitions;
pub mod latest;
pub mod redactions;
pub mod runs;
pub mod series;

use std::{collections::BTreeMap, future::Future};

use axum::{
    body::Body,
    extract::FromRequestParts,
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use serde::de::DeserializeOwned;
use strum::IntoEnumIterator;
use tokio::time::Instant;
use tracing::{Instrument, Span};
use utoipa::{
    IntoParams, IntoResponses,
    openapi::{
        ContentBuilder, KnownFormat, ObjectBuilder, RefOr, Response as Documented, ResponseBuilder, Schema,
        SchemaFormat, Type, schema::ArrayBuilder,
    },
};

use crate::{
    access::Principal,
    config::{shown, suggestion},
    http::{
        api::enum_schemas,
        concurrency_limit::{LimitReached, Permit},
        parameters::parse,
        problem::{InvalidParameter, Problem},
        service::Service,
    },
    query::{CsvOptions, Export, ExportFormat, QueryError},
};

/// `Retry-After`, in seconds, while the limit of concurrent exports is reached.
const RETRY_AFTER: u64 = 5;
const BINARY: SchemaFormat = SchemaFormat::KnownFormat(KnownFormat::Binary);

/// An export that may begin: it has its format and a permit.
struct Beginning<'a> {
    service: &'a Service,
    format: ExportFormat,
    csv: CsvOptions,
    head_due: Instant,
    permit: Permit,
}

/// The parameters that every export has: the format of the file.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is read by the derive macro only")]
pub struct FileParameters {
    /// `csv` (the default), `json`, `ndjson` or `parquet`
    #[param(schema_with = enum_schemas::formats, required = false)]
    format: Option<String>,
    /// CSV: `true` adds a byte order mark at the beginning, from which Excel recognises UTF-8
    #[param(value_type = Option<bool>)]
    bom: Option<String>,
    /// CSV: `true` cuts cells to 32,767 characters, the limit of spreadsheets
    #[param(value_type = Option<bool>)]
    cut_cells: Option<String>,
}

/// The query string of an export: what [`FileParameters`] documents, and the parameters of the endpoint as `P`.
pub struct FileRequest<P> {
    format: ExportFormat,
    csv: CsvOptions,
    parameters: P,
}

impl<P: DeserializeOwned, S: Sync> FromRequestParts<S> for FileRequest<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let parameters = parse(query, &["format", "bom", "cut_cells"])?;
        let given = |name: &str| {
            let mut pairs = url::form_urlencoded::parse(query.as_bytes());
            pairs.find(|(given, _)| given == name).map(|(_, value)| value)
        };
        let format = read_format(given("format").as_deref())?;
        let csv = CsvOptions {
            bom: for_csv("bom", given("bom").as_deref(), format)?,
            cut_cells: for_csv("cut_cells", given("cut_cells").as_deref(), format)?,
        };
        Ok(Self { format, csv, parameters })
    }
}

fn for_csv(parameter: &str, given: Option<&str>, format: ExportFormat) -> Result<bool, Problem> {
    let detail = match (given, format) {
        (None | Some("false"), _) => return Ok(false),
        (Some("true"), ExportFormat::Csv) => return Ok(true),
        (Some("true"), _) => {
            format!("`{parameter}` applies to CSV only, but the format is {}", format.name())
        }
        (Some(_), _) => format!("`{parameter}` must be `true` or `false`"),
    };
    Err(Problem::invalid_parameters(vec![InvalidParameter { parameter: parameter.to_owned(), detail }]))
}

impl<'a> Beginning<'a> {
    fn new<P>(
        service: &'a Service,
        principal: &Principal,
        &FileRequest { format, csv, .. }: &FileRequest<P>,
    ) -> Result<Self, Problem> {
        let head_due = Instant::now() + service.http.request_timeout / 2;
        let permit = service.exports.try_acquire(&principal.subject).map_err(too_many)?;
        Ok(Self { service, format, csv, head_due, permit })
    }

    /// The answer: a file called `name`, without its extension. A failure before the first page is answered with a problem.
    async fn answer(
        self,
        name: &str,
        starting: impl Future<Output = Result<Export, QueryError>>,
    ) -> Result<Response, Problem> {
        let Self { service, format, csv, head_due, permit } = self;
        let mut export = starting.await?.with_csv(csv).continue_with(&service.patient);
        // A first page that takes long is not a failure: all values of a Parquet file are read before it begins.
        let first = match tokio::time::timeout_at(head_due, export.next()).await {
            Ok(first) => Some(first?.unwrap_or_default()),
            Err(_) => None,
        };
        let disposition = format!("attachment; filename=\"{name}.{}\"", format.name());
        let headers = [
            (header::CONTENT_TYPE, format.content_type().to_owned()),
            (header::CONTENT_DISPOSITION, disposition),
            (header::CACHE_CONTROL, "no-store".to_owned()),
        ];
        Ok((headers, Body::from_stream(pieces(first, export, permit))).into_response())
    }
}

/// The file, in the OpenAPI document.
pub struct File;

impl IntoResponses for File {
    fn responses() -> BTreeMap<String, RefOr<Documented>> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let row = ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some("A row, as an object with a member for each column"));
        let rows = ArrayBuilder::new().items(row.build()).build();
        let content = |schema: Schema| ContentBuilder::new().schema(Some(schema)).build();
        let file = ResponseBuilder::new()
            .description("The file")
            .content("text/csv", content(text().into()))
            .content("application/json", content(rows.into()))
            .content("application/x-ndjson", content(text().into()))
            .content("application/vnd.apache.parquet", content(text().format(Some(BINARY)).into()));
        BTreeMap::from([("200".to_owned(), file.build().into())])
    }
}

fn too_many(reached: LimitReached) -> Problem {
    let problem = match reached {
        LimitReached::PerPrincipal(most) => {
            let title = "Too many exports at once";
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-exports", title).detail(format!(
                "{most} of your exports are running, which is the limit for each user; try again when one has ended"
            ))
        }
        LimitReached::Total(total) => Problem::unavailable(format!(
            "{total} exports are running, which is the limit (`http.max_concurrent_exports`); try again when one has ended"
        )),
    };
    problem.retry_after(RETRY_AFTER)
}

/// The body. An error ends it before its end, which the client sees. The permit is given back with the body.
fn pieces(
    first: Option<Vec<u8>>,
    export: Export,
    permit: Permit,
) -> impl stream::Stream<Item = Result<Bytes, QueryError>> {
    // The rest of the body is made after the handler has answered.
    let span = Span::current();
    stream::try_unfold((first, export, permit), move |(first, mut export, permit)| {
        let span = span.clone();
        async move {
            let piece = match first {
                Some(first) => Some(first),
                None => next(&mut export).await?,
            };
            Ok(piece.map(|piece| (Bytes::from(piece), (None, export, permit))))
        }
        .instrument(span)
    })
}

async fn next(export: &mut Export) -> Result<Option<Vec<u8>>, QueryError> {
    export.next().await.inspect_err(|error| tracing::error!(%error, "an export was cut off"))
}

fn read_format(name: Option<&str>) -> Result<ExportFormat, Problem> {
    let Some(name) = name else { return Ok(ExportFormat::Csv) };
    name.parse().map_err(|_| {
        let hint = suggestion(name, ExportFormat::iter().map(ExportFormat::name));
        let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        let detail = format!("no format is called {}{hint}", shown(name));
        Problem::invalid_parameters(vec![InvalidParameter { parameter: "format".to_owned(), detail }])
    })
}
