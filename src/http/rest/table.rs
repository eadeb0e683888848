//! `/rest/v1/{table}`: rows of a table.

use std::convert::Infallible;

use axum::{
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    response::Response,
};
use bytes::Bytes;
use futures_util::stream;
use jiff::Timestamp;
use strum::IntoEnumIterator;

use super::{
    caller::{self, Caller},
    error::{RestError, cut, meant, no_such_path},
    negotiate::{Form, Preferences, require_schema},
    range::{self, MAX_ROWS, RowRange},
    table_parameters::{MAX_BYTES, TableParameters},
};
use crate::{
    access::{Principal, Scope},
    http::{
        answer::Answer,
        answer_memory::Reservation,
        cache::Lifetime,
        service::{Service, Shared},
    },
    store::{TablePage, TableQuery, table::StoreTable},
};

/// An answer depends on its principal and on these headers, so shared caches must not keep it.
const CACHE_CONTROL: &str = "private, no-cache";
const VARY: &str = "accept, accept-encoding, accept-profile, apikey, authorization, cookie, prefer, range";
/// How often the rows are in memory while they are read: as the database returns them, and as text.
const COPIES: u64 = 2;

pub(super) async fn read(
    State(service): State<Shared>,
    caller: Caller,
    name: Result<Path<String>, PathRejection>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, RestError> {
    let table = named(name)?;
    let principal = caller::require(caller, scope(table), &format!("table {}", table.name()))?;
    require_schema(&headers, "accept-profile")?;
    let asked = AskedRows { table, query: uri.query().unwrap_or_default(), as_of: None };
    rows(&service, &principal, asked, &method, &headers).await
}

/// Rows of a table, by a query string of filters, columns and an order.
pub(super) struct AskedRows<'a> {
    pub table: StoreTable,
    pub query: &'a str,
    /// Of the records: those that were known at this instant.
    pub as_of: Option<Timestamp>,
}

/// The answer with the rows. The caller may read the table.
pub(super) async fn rows(
    service: &Service,
    principal: &Principal,
    asked: AskedRows<'_>,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, RestError> {
    let is_head = *method == Method::HEAD;
    let request = TableRequest {
        asked,
        form: Form::accepted(headers)?,
        preferences: Preferences::read(headers)?,
        // Range is defined for GET only (RFC 9110, 14.2).
        range: if is_head { None } else { range::of_header(headers) },
        is_head,
    };
    let last_finished = service.context.last_finished();
    let make = request.answer(service, principal);
    let key = request.cache_key();
    let answer =
        service.cache.answer(Lifetime::FiveMinutes, &key, last_finished, &service.counters, make).await?;
    Ok(match *method {
        Method::HEAD => without_body(answer.respond(&HeaderMap::new(), CACHE_CONTROL)),
        Method::GET => answer.respond(headers, CACHE_CONTROL),
        // A conditional request is a GET.
        _ => answer.respond(&HeaderMap::new(), CACHE_CONTROL),
    })
}

/// The parts of a request on which its answer depends.
struct TableRequest<'a> {
    asked: AskedRows<'a>,
    form: Form,
    preferences: Preferences,
    range: Option<(u64, Option<u64>)>,
    is_head: bool,
}

impl TableRequest<'_> {
    fn cache_key(&self) -> String {
        let Self { asked: AskedRows { table, query, as_of }, form, preferences, range, is_head } = self;
        format!("rest {} {as_of:?} {form:?} {preferences:?} {range:?} {is_head} {query}", table.name())
    }

    async fn answer(&self, service: &Service, principal: &Principal) -> Result<Answer, RestError> {
        let Self { asked: AskedRows { table, query, as_of }, form, preferences, range, is_head } = self;
        let parameters = TableParameters::read(*table, query)?;
        let range = RowRange::new(parameters.limit.as_deref(), parameters.offset.as_deref(), *range)?;
        let query = parameters.query(*table, range, preferences.count, *is_head, *as_of)?;
        let (page, reservation) = read_page(service, principal, query).await?;
        let (status, content_range) = match form {
            Form::Object if page.rows != 1 => return Err(not_one(page.rows)),
            _ => range.answered(&page, *is_head)?,
        };
        let json = page.json.ok_or_else(too_many_bytes)?;
        Ok(answer(*form, json, status, &content_range, preferences.applied()).holding(reservation))
    }
}

/// Reads the rows into memory that was reserved for them: as much as they are expected to take, and, where they take more, as
/// much as the largest answer.
async fn read_page(
    service: &Service,
    principal: &Principal,
    mut query: TableQuery,
) -> Result<(TablePage, Reservation), RestError> {
    loop {
        let bytes = usize::try_from(COPIES * query.max_bytes).unwrap_or(usize::MAX);
        let reservation = service.answer_memory.reserve(bytes).await;
        service.counters.store_query();
        let turn = service.store_turns.table_read(&principal.subject).await;
        let page = service.context.tenant.store.table(&query).await?;
        drop(turn);
        if page.json.is_some() || page.rows > MAX_ROWS || query.max_bytes == MAX_BYTES {
            return Ok((page, reservation));
        }
        query.max_bytes = MAX_BYTES;
    }
}

/// Records are written by collections, definitions by `daymark apply`.
pub(super) async fn write(caller: Caller, name: Result<Path<String>, PathRejection>) -> RestError {
    match named(name) {
        Err(error) => error,
        Ok(table) => caller::refuse(caller, &format!("table {}", table.name())).hint(
            "Tables can only be read here. Records are made by collect_daily_metrics and backfill_daily_metrics, and \
             never changed.",
        ),
    }
}

/// The scope that reading the table needs.
fn scope(table: StoreTable) -> Scope {
    match table {
        StoreTable::DailyMetrics | StoreTable::MetricDefinitions => Scope::Read,
        StoreTable::MetricCollectionLog => Scope::Log,
    }
}

fn named(name: Result<Path<String>, PathRejection>) -> Result<StoreTable, RestError> {
    let Ok(Path(name)) = name else { return Err(no_such_path()) };
    name.parse().map_err(|_| {
        let message = format!("Could not find the table 'public.{}' in the schema cache", cut(&name));
        let error = RestError::new(StatusCode::NOT_FOUND, "PGRST205", message);
        match meant(&name, StoreTable::iter().map(StoreTable::name)) {
            Some(near) => error.hint(format!("Perhaps you meant the table 'public.{near}'")),
            None => error,
        }
    })
}

fn too_many_bytes() -> RestError {
    let message =
        format!("the rows take more than {0} MiB, and an answer has {0} MiB at most", MAX_BYTES >> 20);
    RestError::new(StatusCode::PAYLOAD_TOO_LARGE, "54000", message).hint(
        "Ask for fewer rows at a time, in an order, as in range(0, 999); or for fewer columns, as in \
         select('metric_date,metric_category,value'): metadata is the largest.",
    )
}

fn not_one(rows: u64) -> RestError {
    let rows = match rows {
        0..=MAX_ROWS => rows.to_string(),
        _ => format!("more than {MAX_ROWS}"),
    };
    let message = "Cannot coerce the result to a single JSON object";
    let error = RestError::new(StatusCode::NOT_ACCEPTABLE, "PGRST116", message);
    error.details(format!("The result contains {rows} rows"))
}

fn answer(
    form: Form,
    json: String,
    status: StatusCode,
    content_range: &str,
    applied: Option<&'static str>,
) -> Answer {
    let body = match form {
        Form::Array => json,
        Form::Object => only(json),
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
    headers.insert(header::VARY, HeaderValue::from_static(VARY));
    if let Ok(content_range) = HeaderValue::try_from(content_range) {
        headers.insert(header::CONTENT_RANGE, content_range);
    }
    if let Some(applied) = applied {
        headers.insert(HeaderName::from_static("preference-applied"), HeaderValue::from_static(applied));
    }
    Answer::new(status, headers, Bytes::from(body))
}

/// No rows are read for HEAD, so their length and their entity tag are not known.
fn without_body(mut response: Response) -> Response {
    response.headers_mut().remove(header::ETAG);
    response.map(|_| Body::from_stream(stream::empty::<Result<Bytes, Infallible>>()))
}

/// The one object of an array.
fn only(mut json: String) -> String {
    json.truncate(json.trim_end().trim_end_matches(']').len());
    let start = json.len() - json.trim_start().trim_start_matches('[').len();
    json.split_off(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_object_is_taken_out_of_its_array() {
        assert_eq!(only(r#"[{"a" : [1]}]"#.to_owned()), r#"{"a" : [1]}"#);
        assert_eq!(only("[{}]".to_owned()), "{}");
    }
}
