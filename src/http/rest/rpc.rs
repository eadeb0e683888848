//! `/rest/v1/rpc/{function}`: the two functions that start runs, and the one that reads what was known at an instant. A run is a job,
//! which continues when the client disconnects.
//!
//! **Architecture Invariant:** only finished days are recorded, for every request.

use std::time::{Duration, Instant};

use axum::{
    body::Bytes,
    extract::{FromRequest, Path, RawQuery, Request, State, rejection::PathRejection},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::{Timestamp, civil::Date};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{
    caller::{self, Caller},
    error::{RestError, cut, no_such_path},
    function::{AS_OF, arguments, arguments_and_rest, date, find, find_named, instant_of, unknown},
    negotiate::{Form, Preferences, require_schema},
    table::{self, AskedRows},
};
use crate::{
    access::{Principal, Scope},
    collect::CollectError,
    config::UnfinishedDay,
    http::{
        api::enum_schemas,
        service::{Service, Shared},
    },
    jobs::{Outcome, Task},
    query,
    store::{JobStatus, Trigger, table::StoreTable},
};

/// The row that `collect_daily_metrics` returns.
#[derive(Serialize, ToSchema)]
pub(super) struct Collected {
    metrics_collected: usize,
    execution_time_ms: u64,
    #[schema(schema_with = enum_schemas::job_statuses)]
    status: &'static str,
    #[schema(value_type = String, format = Date)]
    collection_date: Date,
    metrics_already_recorded: usize,
}

/// The row that `backfill_daily_metrics` returns.
#[derive(Serialize, ToSchema)]
pub(super) struct Backfilled {
    dates_processed: usize,
    total_metrics: usize,
    execution_time_ms: u64,
    /// The last day of the run: the last finished day if a later one was requested.
    #[schema(value_type = String, format = Date)]
    end_date: Date,
    #[schema(schema_with = enum_schemas::job_statuses)]
    status: &'static str,
    metrics_already_recorded: usize,
}

pub(super) async fn call(
    State(service): State<Shared>,
    caller: Caller,
    name: Result<Path<String>, PathRejection>,
    RawQuery(parameters): RawQuery,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, RestError> {
    let Ok(Path(name)) = name else { return Err(no_such_path()) };
    require_schema(&headers, "content-profile")?;
    if name == AS_OF.name {
        let principal = may_read(caller)?;
        let arguments = arguments(&received(&service, request).await?)?;
        let (instant, query) = (instant_of(&arguments)?, parameters.unwrap_or_default());
        return known(&service, &principal, instant, &query, &Method::POST, &headers).await;
    }
    let form = Form::accepted(&headers)?;
    let preferences = Preferences::read(&headers)?;
    // The caller is checked before the body is read, because a client may send the body slowly.
    let principal = caller::require(caller, Scope::Collect, &format!("function {}", cut(&name)))?;
    let arguments = arguments(&received(&service, request).await?)?;
    let function = find(&name, &arguments)?;
    if parameters.is_some_and(|parameters| !parameters.is_empty()) {
        return Err(RestError::not_implemented("filters, columns and limits on what a function returns"));
    }
    let row = match function.name {
        "collect_daily_metrics" => json!(collect(&service, &principal, &arguments).await?),
        _ => json!(backfill(&service, &principal, &arguments).await?),
    };
    let body = match form {
        Form::Array => json!([row]),
        Form::Object => row,
    };
    let headers = [
        (header::CONTENT_TYPE, form.content_type()),
        (header::CONTENT_RANGE, if preferences.count { "0-0/1" } else { "0-0/*" }),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let applied = preferences.applied().map(|applied| [("preference-applied", applied)]);
    Ok((headers, applied, body.to_string()).into_response())
}

/// GET and HEAD call functions that read. Their arguments are in the query string, beside filters, columns and the order.
pub(super) async fn read_only(
    State(service): State<Shared>,
    caller: Caller,
    name: Result<Path<String>, PathRejection>,
    method: Method,
    RawQuery(parameters): RawQuery,
    headers: HeaderMap,
) -> Result<Response, RestError> {
    let Ok(Path(name)) = name else { return Err(no_such_path()) };
    if name != AS_OF.name {
        return match find_named(&name) {
            None => Err(unknown(&name, &Map::new())),
            Some(_) => Ok(not_allowed("25006", "cannot execute INSERT in a read-only transaction")),
        };
    }
    require_schema(&headers, "accept-profile")?;
    let principal = may_read(caller)?;
    let (given, rest) = arguments_and_rest(&parameters.unwrap_or_default());
    let instant = instant_of(&given)?;
    known(&service, &principal, instant, &rest, &method, &headers).await
}

fn may_read(caller: Caller) -> Result<Principal, RestError> {
    caller::require(caller, Scope::Read, &format!("function {}", AS_OF.name))
}

/// The rows of `daily_metrics` as they were known at the instant.
async fn known(
    service: &Service,
    principal: &Principal,
    instant: Timestamp,
    parameters: &str,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, RestError> {
    query::settle(&service.context, instant).await?;
    let asked = AskedRows { table: StoreTable::DailyMetrics, query: parameters, as_of: Some(instant) };
    table::rows(service, principal, asked, method, headers).await
}

pub(super) async fn method_not_allowed(method: Method) -> Response {
    not_allowed("PGRST101", &format!("Cannot use the {} method on RPC", cut(method.as_str())))
}

fn not_allowed(code: &'static str, message: &str) -> Response {
    let error = RestError::new(StatusCode::METHOD_NOT_ALLOWED, code, message);
    // The router's own `Allow` header would also list GET.
    ([(header::ALLOW, "POST")], error.hint("Call the function with POST.")).into_response()
}

/// Records the day; by default the last finished one.
async fn collect(
    service: &Shared,
    principal: &Principal,
    arguments: &Map<String, Value>,
) -> Result<Collected, RestError> {
    let started = Instant::now();
    let context = &service.context;
    let date = match date(arguments, "target_date")? {
        None => context.last_finished(),
        Some(date) => day_to_record(service, date),
    };
    let outcome = finished(service, principal, Task::Collect { date, metrics: Vec::new() }).await?;
    Ok(Collected {
        metrics_collected: outcome.recorded,
        execution_time_ms: milliseconds(started),
        status: outcome.status.name(),
        collection_date: date,
        metrics_already_recorded: outcome.already_there,
    })
}

/// The day that is recorded for a client that names `date`. With `rest.unfinished_day = "last_finished"` today stands for the
/// last finished day, and so does tomorrow, which is what a client's date is where its clock is ahead of the reporting zone's.
fn day_to_record(service: &Service, date: Date) -> Date {
    let context = &service.context;
    let last_finished = context.last_finished();
    let tomorrow = context.tenant.calendar.date_of(context.now()).tomorrow();
    let is_near = tomorrow.is_ok_and(|tomorrow| date > last_finished && date <= tomorrow);
    match service.config.settings.unfinished_day {
        UnfinishedDay::LastFinished if is_near => last_finished,
        _ => date,
    }
}

/// Records the missing days up to `end_date`, or to the last finished day where `end_date` is a later one: clients send today's
/// date to mean the last day that can be recorded. The answer says which day it was.
async fn backfill(
    service: &Shared,
    principal: &Principal,
    arguments: &Map<String, Value>,
) -> Result<Backfilled, RestError> {
    let started = Instant::now();
    let context = &service.context;
    let last_finished = context.last_finished();
    let from = date(arguments, "start_date")?.ok_or_else(|| {
        RestError::bad_request("22004", "start_date must not be null")
            .hint("Name the first day that you want.")
    })?;
    let to = date(arguments, "end_date")?.unwrap_or(last_finished).min(last_finished);
    if from > last_finished {
        let ready_at = context.tenant.calendar.display(context.ready_at(from));
        return Err(CollectError::Unfinished { date: from, ready_at, last_finished }.into());
    }
    let task = Task::Backfill { from: Some(from), to: Some(to), metrics: Vec::new() };
    let outcome = finished(service, principal, task).await?;
    Ok(Backfilled {
        dates_processed: context.tenant.calendar.days(from, to).len(),
        total_metrics: outcome.recorded,
        execution_time_ms: milliseconds(started),
        end_date: to,
        status: outcome.status.name(),
        metrics_already_recorded: outcome.already_there,
    })
}

async fn finished(service: &Shared, principal: &Principal, task: Task) -> Result<Outcome, RestError> {
    let job = service.jobs.start(task, Trigger::Api, &principal.subject).await?;
    let outcome = job.finished().await;
    match (&outcome.error, outcome.status) {
        (Some(error), _) => Err(RestError::of_job(error)),
        // Clients check for an error and ignore the row, so a run that recorded nothing is an error.
        (None, JobStatus::Failed) => Err(RestError::of_failures(&outcome.failed)),
        (None, _) => Ok(outcome),
    }
}

fn milliseconds(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// The body. The run may take long, but the body must arrive within the limit.
async fn received(service: &Service, request: Request) -> Result<Bytes, RestError> {
    let limit = service.http.request_timeout;
    match tokio::time::timeout(limit, Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(rejection)) => {
            let code = if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE { "54000" } else { "PGRST102" };
            Err(RestError::new(rejection.status(), code, rejection.body_text()))
        }
        Err(_) => Err(body_too_slow(limit)),
    }
}

pub(super) fn body_too_slow(limit: Duration) -> RestError {
    let message = format!("the body did not come within {} s", limit.as_secs());
    RestError::new(StatusCode::REQUEST_TIMEOUT, "PGRST102", message)
}
