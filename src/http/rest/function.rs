//! The functions that can be called: their names and parameters, the arguments of a call, and the error for a call that fits none.

use axum::http::StatusCode;
use jiff::{Timestamp, civil::Date};
use serde_json::{Map, Value};

use super::{
    error::{RestError, cut, meant},
    value,
};

/// A function that can be called, with the names of its parameters in the order of the alphabet.
#[derive(Clone, Copy)]
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    pub(super) required: &'static [&'static str],
    pub(super) optional: &'static [&'static str],
}

pub(super) const COLLECT: Function = Function {
    name: "collect_daily_metrics",
    summary: "Record a day, by default the last finished one, and wait for the result",
    required: &[],
    optional: &["target_date"],
};
pub(super) const BACKFILL: Function = Function {
    name: "backfill_daily_metrics",
    summary: "Record the missing days of a range and wait for the result",
    required: &["start_date"],
    optional: &["end_date"],
};

/// It returns rows as those of `daily_metrics`, with the same filters, columns and orders.
pub(super) const AS_OF: Function = Function {
    name: "daily_metrics_as_of",
    summary: "Rows of daily_metrics as they were known at an instant",
    required: &["as_of"],
    optional: &[],
};

/// The arguments of a query string, and the other parameters.
pub(super) fn arguments_and_rest(query: &str) -> (Map<String, Value>, String) {
    let (mut given, mut rest) = (Map::new(), url::form_urlencoded::Serializer::new(String::new()));
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match AS_OF.required.contains(&name.as_ref()) {
            true => drop(given.insert(name.into_owned(), value.into_owned().into())),
            false => drop(rest.append_pair(&name, &value)),
        }
    }
    (given, rest.finish())
}

pub(super) fn instant_of(arguments: &Map<String, Value>) -> Result<Timestamp, RestError> {
    find(AS_OF.name, arguments)?;
    match arguments.get("as_of") {
        Some(Value::String(text)) => value::instant(text),
        Some(Value::Null) | None => Err(RestError::bad_request("22004", "as_of must not be null")
            .hint("Name the instant, as in 2025-01-31T12:00:00Z.")),
        Some(other) => value::instant(&other.to_string()),
    }
}

/// The body as an object; none is an empty one.
pub(super) fn arguments(body: &[u8]) -> Result<Map<String, Value>, RestError> {
    match serde_json::from_slice(body) {
        _ if body.is_empty() => Ok(Map::new()),
        Ok(Value::Object(arguments)) => Ok(arguments),
        _ => Err(RestError::bad_request("PGRST102", "Empty or invalid json")),
    }
}

/// A date among the arguments; none where it is NULL or left out.
pub(super) fn date(arguments: &Map<String, Value>, name: &str) -> Result<Option<Date>, RestError> {
    match arguments.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => value::date(text).map(Some),
        Some(other) => value::date(&other.to_string()).map(Some),
    }
}

pub(super) fn find_named(name: &str) -> Option<Function> {
    [COLLECT, BACKFILL, AS_OF].into_iter().find(|function| function.name == name)
}

/// The function of that name that takes these arguments.
pub(super) fn find(name: &str, arguments: &Map<String, Value>) -> Result<Function, RestError> {
    let fits = |function: &Function| {
        let known = |name: &String| {
            function.required.contains(&name.as_str()) || function.optional.contains(&name.as_str())
        };
        arguments.keys().all(known) && function.required.iter().all(|name| arguments.contains_key(*name))
    };
    find_named(name).filter(fits).ok_or_else(|| unknown(name, arguments))
}

pub(super) fn unknown(name: &str, arguments: &Map<String, Value>) -> RestError {
    let names: Vec<_> = arguments.keys().map(String::as_str).collect();
    let (message, details) = match names.join(", ") {
        none if none.is_empty() => (" without parameters".to_owned(), " without parameters".to_owned()),
        some if names.len() == 1 => (format!("({})", cut(&some)), format!(" with parameter {}", cut(&some))),
        some => (format!("({})", cut(&some)), format!(" with parameters {}", cut(&some))),
    };
    let shown = cut(name);
    let message = format!("Could not find the function public.{shown}{message} in the schema cache");
    let error = RestError::new(StatusCode::NOT_FOUND, "PGRST202", message).details(format!(
        "Searched for the function public.{shown}{details}, but no matches were found in the schema cache."
    ));
    let meant = find_named(name)
        .map(|function| [function.required, function.optional].concat())
        .map(|parameters| format!("public.{name}({})", parameters.join(", ")))
        .or_else(|| Some(format!("public.{}", meant(name, [COLLECT.name, BACKFILL.name, AS_OF.name])?)));
    match meant {
        Some(meant) => error.hint(format!("Perhaps you meant to call the function {meant}")),
        None => error,
    }
}
