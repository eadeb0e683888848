//! `/rest/v1/{table}`: rows of a table.

use std::convert::Infallible;

use axum::{
    body::Body,
    extract::{Path, RawQuery, State, rejection::PathRejection},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use futures_util::stream;

use super::{
    caller::{self, Caller},
    error::{RestError, cut, meant},
    filter::{filter, tree},
    negotiate::{Form, Preferences, require_schema},
    order::order,
    range::{self, MAX_ROWS, Range},
    select::select,
};
use crate::{
    access::Scope,
    http::{Shared, answer::compressed_for},
    store::{
        TableQuery,
        table::{Condition, Table},
    },
};

/// The most comparisons of one request.
const MAX_CONDITIONS: usize = 200;

pub(super) async fn read(
    State(service): State<Shared>,
    caller: Caller,
    name: Result<Path<String>, PathRejection>,
    method: Method,
    RawQuery(parameters): RawQuery,
    headers: HeaderMap,
) -> Result<Response, RestError> {
    let table = named(name)?;
    caller::require(caller, scope(table), &format!("table {}", table.name()))?;
    require_schema(&headers, "accept-profile")?;
    let form = Form::accepted(&headers)?;
    let preferences = Preferences::read(&headers)?;
    let is_head = method == Method::HEAD;
    // Range is defined for GET only (RFC 9110, 14.2).
    let asked_range = if is_head { None } else { range::of_header(&headers) };
    let parameters = Parameters::read(table, parameters.as_deref().unwrap_or_default())?;
    let range = Range::new(parameters.limit.as_deref(), parameters.offset.as_deref(), asked_range)?;
    let query = parameters.query(table, range, preferences.count, is_head)?;
    let page = service.context.tenant.store.table(&query).await?;
    let (status, content_range) = match form {
        Form::Object if page.rows != 1 => return Err(not_one(page.rows)),
        _ => range.answered(&page, is_head)?,
    };
    let mut response = answer(form, page.json, &content_range, preferences.applied());
    *response.status_mut() = status;
    Ok(if is_head { without_body(response) } else { packed(&headers, response).await })
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

/// What reading the table needs.
fn scope(table: Table) -> Scope {
    match table {
        Table::DailyMetrics | Table::MetricDefinitions => Scope::Read,
        Table::MetricCollectionLog => Scope::Log,
    }
}

fn named(name: Result<Path<String>, PathRejection>) -> Result<Table, RestError> {
    let Ok(Path(name)) = name else { return Err(super::no_such_path()) };
    Table::from_name(&name).ok_or_else(|| {
        let message = format!("Could not find the table 'public.{}' in the schema cache", cut(&name));
        let error = RestError::new(StatusCode::NOT_FOUND, "PGRST205", message);
        match meant(&name, Table::ALL.map(Table::name)) {
            Some(near) => error.hint(format!("Perhaps you meant the table 'public.{near}'")),
            None => error,
        }
    })
}

/// What the query string says. Every other parameter than these is a filter.
#[derive(Default)]
struct Parameters {
    select: Option<String>,
    order: Option<String>,
    limit: Option<String>,
    offset: Option<String>,
    conditions: Vec<Condition>,
}

impl Parameters {
    fn read(table: Table, text: &str) -> Result<Self, RestError> {
        let mut read = Self::default();
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            let place = match name.as_ref() {
                "select" => &mut read.select,
                "order" => &mut read.order,
                "limit" => &mut read.limit,
                "offset" => &mut read.offset,
                _ => {
                    read.conditions.push(match tree(table, &name, &value)? {
                        Some(condition) => condition,
                        None => filter(table, &name, &value)?,
                    });
                    continue;
                }
            };
            if place.replace(value.into_owned()).is_some() {
                return Err(RestError::bad_request(
                    "PGRST100",
                    format!("the parameter {name} is there twice"),
                ));
            }
        }
        match read.conditions.iter().map(comparisons).sum::<usize>() {
            0..=MAX_CONDITIONS => Ok(read),
            _ => {
                let message = format!("there are more than {MAX_CONDITIONS} conditions");
                Err(RestError::bad_request("PGRST100", message))
            }
        }
    }

    /// Where rows are only counted, their columns are not read.
    fn query(self, table: Table, range: Range, count: bool, is_head: bool) -> Result<TableQuery, RestError> {
        let columns = select(table, self.select.as_deref().unwrap_or_default())?;
        Ok(TableQuery {
            table,
            columns: if is_head { Vec::new() } else { columns },
            condition: Condition::All(self.conditions),
            order: self.order.map(|text| order(table, &text)).transpose()?.unwrap_or_default(),
            limit: range.limit,
            offset: range.offset,
            count,
        })
    }
}

fn comparisons(condition: &Condition) -> usize {
    match condition {
        Condition::All(parts) | Condition::Any(parts) => parts.iter().map(comparisons).sum(),
        Condition::Not(part) => comparisons(part),
        Condition::Compare { .. } | Condition::In { .. } | Condition::Is { .. } => 1,
    }
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

fn answer(form: Form, json: String, content_range: &str, applied: Option<&'static str>) -> Response<Bytes> {
    let body = match form {
        Form::Array => json,
        Form::Object => only(json),
    };
    let mut response = Response::new(Bytes::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
    // It depends on who asks and on five headers: nothing for a shared cache.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Ok(content_range) = HeaderValue::try_from(content_range) {
        headers.insert(header::CONTENT_RANGE, content_range);
    }
    if let Some(applied) = applied {
        headers.insert(HeaderName::from_static("preference-applied"), HeaderValue::from_static(applied));
    }
    response
}

async fn packed(request: &HeaderMap, response: Response<Bytes>) -> Response {
    let (mut parts, body) = response.into_parts();
    // Some of the rows that there are: whoever puts such parts together wants them as they are.
    if parts.status == StatusCode::PARTIAL_CONTENT {
        return Response::from_parts(parts, body.into());
    }
    let (body, encoding) = compressed_for(request, body).await;
    parts.headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(encoding) = encoding {
        parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    Response::from_parts(parts, body.into())
}

/// No row was made for HEAD, so that how long they are is not known.
fn without_body(response: Response<Bytes>) -> Response {
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

    #[test]
    fn a_request_has_limits_and_no_doubts() {
        let code =
            |text: &str| Parameters::read(Table::DailyMetrics, text).map(drop).map_err(|error| error.code);
        assert_eq!(code("select=value&value=gt.1&value=lt.9&order=value&limit=1&offset=2"), Ok(()));
        assert_eq!(code("select=value&select=id"), Err("PGRST100"));
        assert_eq!(code("limit=1&limit=2"), Err("PGRST100"));
        assert_eq!(code("columns=value"), Err("PGRST100"));
        assert_eq!(code(&"value=eq.1&".repeat(MAX_CONDITIONS)), Ok(()));
        assert_eq!(code(&"value=eq.1&".repeat(MAX_CONDITIONS + 1)), Err("PGRST100"));
        assert_eq!(
            code(&format!("or=(id.is.null{})", ",id.is.null".repeat(MAX_CONDITIONS))),
            Err("PGRST100")
        );
    }
}
