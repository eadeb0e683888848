//! Errors of PostgREST's shape and codes, which supabase-js hands to its callers as they are.

use std::time::Duration;

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    collect::{CollectError, Failure},
    config,
    http::error_problems::log_failure,
    jobs::{JobError, JobStartError},
    store::StoreError,
};

/// How much of a request's text an error repeats, in characters.
const SHOWN: usize = 200;
const SEE_LOG: &str = "metric_collection_log has an entry of the run with the reason.";

/// An error as `{code, details, hint, message}`. Codes are PostgREST's own (`PGRST…`) or PostgreSQL's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RestError {
    #[serde(skip)]
    pub status: StatusCode,
    pub code: &'static str,
    pub details: Option<Box<str>>,
    pub hint: Option<Box<str>>,
    pub message: Box<str>,
    /// Sent as the header `Retry-After`.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
    /// Sent as the header `Content-Range`.
    #[serde(skip)]
    pub content_range: Option<Box<str>>,
}

impl RestError {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<Box<str>>) -> Self {
        Self {
            status,
            code,
            details: None,
            hint: None,
            message: message.into(),
            retry_after: None,
            content_range: None,
        }
    }

    pub fn details(mut self, details: impl Into<Box<str>>) -> Self {
        self.details = Some(details.into());
        self
    }

    pub fn hint(mut self, hint: impl Into<Box<str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn bad_request(code: &'static str, message: impl Into<Box<str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// `what` is the thing that could not be parsed, as in `filter (eq)`; `column` counts characters from 1.
    pub fn parse(what: &str, text: &str, column: usize, details: impl Into<Box<str>>) -> Self {
        let message = format!("\"failed to parse {what} ({})\" (line 1, column {column})", cut(text));
        Self::bad_request("PGRST100", message).details(details)
    }

    /// Something that PostgREST has and Daymark has not.
    pub fn not_implemented(details: impl Into<Box<str>>) -> Self {
        Self::bad_request("PGRST127", "Feature not implemented").details(details)
    }

    pub fn range(details: impl Into<Box<str>>) -> Self {
        let message = "Requested range not satisfiable";
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "PGRST103", message).details(details)
    }

    pub fn unavailable(message: impl Into<Box<str>>) -> Self {
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "PGRST001", message);
        Self { retry_after: Some(Duration::from_secs(1)), ..error }
    }

    /// A failure of the server; the log has the details.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "XX000", "the server failed; its log has the details")
    }
}

/// The beginning of `text` if it is long, else all of it.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The one of the names that `name` was most likely meant to be, or else one that begins with it.
pub(super) fn meant(name: &str, names: impl IntoIterator<Item = &'static str>) -> Option<&'static str> {
    config::similar_names(name, &Vec::from_iter(names)).first().copied()
}

impl IntoResponse for RestError {
    fn into_response(self) -> Response {
        // The metric was created of strings, which always serialise.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let content_type = HeaderValue::from_static("application/json; charset=utf-8");
        let mut response = (self.status, [(header::CONTENT_TYPE, content_type)], body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // The code is also in a header (RFC 9209), because an answer to HEAD has no body.
        if let Ok(status) = HeaderValue::try_from(format!("daymark; error={}", self.code)) {
            headers.insert(HeaderName::from_static("proxy-status"), status);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.retry_after {
            headers.insert(header::RETRY_AFTER, wait.as_secs().max(1).into());
        }
        if let Some(range) = self.content_range.and_then(|range| HeaderValue::from_str(&range).ok()) {
            headers.insert(header::CONTENT_RANGE, range);
        }
        response
    }
}

impl From<StoreError> for RestError {
    fn from(error: StoreError) -> Self {
        Self::of_store(&error)
    }
}

impl RestError {
    fn of_store(error: &StoreError) -> Self {
        if let StoreError::Unsettled { .. } = error {
            return Self::unavailable(error.to_string());
        }
        if let StoreError::Future { .. } = error {
            return Self::bad_request("22023", error.to_string())
                .hint("Name an instant that has passed, as in 2025-01-31T12:00:00Z.");
        }
        log_failure(error);
        match error.is_transient() {
            true => Self::unavailable("the store cannot be reached; try again in a moment"),
            false => Self::internal(),
        }
    }
}

impl From<JobStartError> for RestError {
    fn from(error: JobStartError) -> Self {
        if let JobStartError::Store(error) = &error {
            return Self::of_store(error);
        }
        let retry_after = Some(Duration::from_secs(JobStartError::RETRY_AFTER_S));
        Self { retry_after, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "53400", error.to_string()) }
    }
}

impl From<CollectError> for RestError {
    fn from(error: CollectError) -> Self {
        Self::of_run(&error)
    }
}

impl RestError {
    /// A run that recorded nothing, because all of its metrics failed.
    pub(super) fn of_failures(failures: &[Failure]) -> Self {
        let Some(first) = failures.first() else { return Self::internal() };
        let message = format!("no metric was recorded; {}: {}", first.category, first.message);
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "XX000", message)
            .details(format!("metrics that failed: {}", failures.len()))
            .hint("metric_collection_log has an entry of the run with all reasons.")
    }

    /// The error of a run that could not start or did not end as requested.
    pub(super) fn of_job(error: &JobError) -> Self {
        match error {
            JobError::Collect(error) => Self::of_run(error),
            JobError::Restate(error) => Self::bad_request("22023", error.to_string()),
        }
    }

    pub(super) fn of_run(error: &CollectError) -> Self {
        let message = error.to_string();
        match error {
            CollectError::Unfinished { last_finished, .. } => Self::bad_request("22023", message).hint(format!(
                "Only finished days are recorded. Leave the date out to get the last finished one, or name \
                 {last_finished} or a day before it."
            )),
            CollectError::EmptyRange { .. }
            | CollectError::TooEarly { .. }
            | CollectError::NeverHappened { .. }
            | CollectError::NoRows
            | CollectError::NoSources
            | CollectError::BeforeFirstRow { .. }
            | CollectError::TooLong { .. }
            | CollectError::TooManyValues { .. } => Self::bad_request("22023", message),
            CollectError::Busy { .. } => Self::new(StatusCode::CONFLICT, "55P03", message),
            CollectError::NoDefinitions | CollectError::OtherTimeZone { .. } => {
                Self::new(StatusCode::CONFLICT, "55000", message)
            }
            CollectError::DeadlineReached { .. } => Self::new(StatusCode::SERVICE_UNAVAILABLE, "57014", message),
            CollectError::Interrupted { .. } | CollectError::Stale { .. } | CollectError::ClocksDiffer { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "57P01", message)
            }
            CollectError::Store(error) => Self::of_store(error),
            // Only readers of the log may see the platform's location and message.
            CollectError::Platform { .. } => {
                Self::unavailable("the platform cannot be read at the moment").hint(SEE_LOG)
            }
            // The collection log itself could not be written or read.
            CollectError::Unlogged { .. } => {
                tracing::error!(%error, "a run failed");
                Self::internal()
            }
            CollectError::UnknownMetric { .. }
            | CollectError::Derived { .. }
            | CollectError::Definition { .. }
            | CollectError::DuplicateDefinition(_) => {
                tracing::error!(%error, "a run failed");
                Self::internal().hint(SEE_LOG)
            }
        }
    }
}

pub(super) fn no_such_path() -> RestError {
    RestError::new(StatusCode::NOT_FOUND, "PGRST125", "Invalid path specified in request URL")
}
