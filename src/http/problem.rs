//! Errors as problem documents (RFC 9457). Every answer that is not a success has one, whichever part of the server
//! failed; only `/rest/v1` has errors of another shape, because its clients expect that.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    clock::{Clock, SystemClock},
    collect::CollectError,
    config::Finding,
    definitions::DefineError,
    query::{QueryError, Refusal},
    store::StoreError,
    telemetry::LogThrottle,
};

pub const MEDIA_TYPE: &str = "application/problem+json";

/// How many errors a problem names.
const MAX_ERRORS: usize = 20;

/// A problem document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// The kind of problem: `urn:daymark:problem:` and a name that does not change.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem in words.
    pub title: String,
    /// The HTTP status code.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What was wrong in this request, where, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The parameters, or members of the body, that were wrong: the first 20, and the number of those that are left
    /// out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<InvalidParameter>,
    /// The number of seconds to wait before another attempt; the same as the header `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// Whether the request showed no credentials, for which PostgREST has a code of its own.
    #[serde(skip)]
    pub shows_nothing: bool,
}

/// A parameter that was wrong, or a member of the body by its path, as in `filter.score`. `parameter` is empty if the
/// body as a whole is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct InvalidParameter {
    pub parameter: String,
    pub detail: String,
}

/// Each error once, and the first of many with how many more there are: a short request may be wrong in thousands of
/// ways, and its answer is not to be thousands of times as long.
fn bounded(errors: Vec<InvalidParameter>) -> Vec<InvalidParameter> {
    let mut kept: Vec<InvalidParameter> = Vec::new();
    let mut left_out = 0;
    for error in errors {
        match kept.len() {
            _ if kept.contains(&error) => {}
            0..MAX_ERRORS => kept.push(error),
            _ => left_out += 1,
        }
    }
    if left_out > 0 {
        kept.push(InvalidParameter {
            parameter: String::new(),
            detail: format!("{left_out} more errors are not listed"),
        });
    }
    kept
}

impl Problem {
    pub fn new(status: StatusCode, name: &str, title: &str) -> Self {
        Self {
            kind: format!("urn:daymark:problem:{name}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: None,
            errors: Vec::new(),
            retry_after: None,
            shows_nothing: false,
        }
    }

    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub fn invalid_parameters(errors: Vec<InvalidParameter>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid-parameter", "A parameter is wrong").all_of(errors)
    }

    pub fn invalid_body(errors: Vec<InvalidParameter>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid-body", "The body cannot be read").all_of(errors)
    }

    fn all_of(self, errors: Vec<InvalidParameter>) -> Self {
        let errors = bounded(errors);
        let details: Vec<_> = errors.iter().map(|error| error.detail.as_str()).collect();
        self.detail(details.join("; ")).errors(errors)
    }

    fn errors(self, errors: Vec<InvalidParameter>) -> Self {
        Self { errors, ..self }
    }

    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found").detail(detail)
    }

    pub fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "Authentication is required").detail(detail)
    }

    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "This is not allowed").detail(detail)
    }

    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", "Another change came first").detail(detail)
    }

    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not available at the moment")
            .detail(detail)
            .retry_after(1)
    }

    /// A failure of the server. The log has the details, the answer does not.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The server failed")
            .detail("an unexpected error occurred; the server's log has the details under the request id of this answer")
    }

    fn cannot_be_rolled_up(refusals: &[Refusal]) -> Self {
        let title = "The values of a metric do not add up over days";
        let errors = refusals.iter().map(|refusal| InvalidParameter {
            parameter: "interval".to_owned(),
            detail: refusal.to_string(),
        });
        let errors: Vec<_> = errors.collect();
        let details: Vec<_> = errors.iter().map(|error| error.detail.clone()).collect();
        let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "cannot-be-rolled-up", title);
        Self { errors, ..problem.detail(details.join("; ")) }
    }

    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        // A problem is made of strings and numbers, which always serialise.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, MEDIA_TYPE)], body).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // `/rest/v1` translates it.
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if let StoreError::Unsettled { .. } = error {
            return Self::unavailable(error.to_string());
        }
        log_failure(&error);
        match error.is_transient() {
            true => Self::unavailable("the store cannot be reached; try again in a moment"),
            false => Self::internal(),
        }
    }
}

/// Logs the location of the store and its message, for the operator. While the store cannot be reached, the message of
/// every request is the same and is throttled. The throttle uses the machine's clock, because `From` conversions have
/// no server and its clock.
pub fn log_failure(error: &StoreError) {
    static AWAY: LogThrottle = LogThrottle::new();
    if !error.is_transient() {
        // The answer says that the log has the details.
        tracing::error!(%error, "the store failed");
    } else if let Some(left_out) = AWAY.allow(SystemClock.now()) {
        tracing::error!(%error, left_out, "the store cannot be reached");
    }
}

impl From<CollectError> for Problem {
    fn from(error: CollectError) -> Self {
        let (status, name, title) = match &error {
            CollectError::Store(store) => return store.clone().into(),
            CollectError::Platform { .. } => {
                // The platform's address and message are logged for the operator and are not sent to the client.
                tracing::error!(%error, "the platform failed");
                return Self::unavailable(
                    "the platform cannot be read at the moment; try again later (the server's log has the reason)",
                );
            }
            CollectError::Unlogged { .. } => {
                tracing::error!(%error, "a run failed");
                return Self::internal();
            }
            CollectError::Busy { .. } => (StatusCode::CONFLICT, "busy", "Another run is in progress"),
            CollectError::Unfinished { .. } => {
                (StatusCode::CONFLICT, "unfinished-day", "The day is not finished")
            }
            CollectError::Stale { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, "stale-platform", "The platform lags behind")
            }
            CollectError::NoDefinitions | CollectError::OtherTimeZone { .. } => {
                (StatusCode::CONFLICT, "not-applied", "The definitions are not applied")
            }
            CollectError::Interrupted { .. }
            | CollectError::DeadlineReached { .. }
            | CollectError::ClocksDiffer { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not available at the moment")
            }
            CollectError::NeverHappened { .. }
            | CollectError::TooEarly { .. }
            | CollectError::EmptyRange { .. }
            | CollectError::UnknownMetric { .. }
            | CollectError::Derived { .. }
            | CollectError::Definition { .. }
            | CollectError::DuplicateDefinition(_)
            | CollectError::NoRows
            | CollectError::NoSources
            | CollectError::BeforeFirstRow { .. }
            | CollectError::TooLong { .. }
            | CollectError::TooManyValues { .. } => {
                (StatusCode::BAD_REQUEST, "invalid-request", "The request cannot be carried out")
            }
        };
        Self::new(status, name, title).detail(error.to_string())
    }
}

impl From<DefineError> for Problem {
    fn from(error: DefineError) -> Self {
        let detail = error.to_string();
        match error {
            DefineError::Wrong(findings) => {
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                let errors = bounded(findings.into_iter().map(InvalidParameter::from).collect());
                Self::new(status, "invalid-definition", "The definition is wrong").errors(errors)
            }
            DefineError::OfFile(_) => Self::new(
                StatusCode::CONFLICT,
                "defined-in-file",
                "The definition cannot be changed through the API",
            )
            .detail(detail),
            DefineError::Unknown { .. } | DefineError::LeftOut { .. } | DefineError::Derived { .. } => {
                Self::not_found(detail)
            }
            DefineError::Collect(CollectError::Store(error)) if error.is_denied() => {
                tracing::error!(%error, "the store refused a definition");
                Self::forbidden("the database role of this server may not change definitions in its store")
            }
            DefineError::Collect(error) => error.into(),
        }
    }
}

impl From<Finding> for InvalidParameter {
    fn from(Finding { place, message, hint, .. }: Finding) -> Self {
        let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        Self { parameter: place, detail: message + &hint }
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::InvalidParameters(problems) => Self::invalid_parameters(
                problems
                    .into_iter()
                    .map(|problem| InvalidParameter {
                        parameter: problem.parameter.to_owned(),
                        detail: problem.message,
                    })
                    .collect(),
            ),
            QueryError::Refused(refusals) => Self::cannot_be_rolled_up(&refusals),
            QueryError::UnknownRun(_) | QueryError::UnknownMetric { .. } => {
                Self::not_found(error.to_string())
            }
            QueryError::TooManyDigits(detail) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "too-many-digits", "A value has too many digits")
                    .detail(detail)
            }
            QueryError::Collect(error) => error.into(),
            QueryError::Store(error) => error.into(),
            QueryError::UnknownVersion { .. } | QueryError::Export(_) => {
                tracing::error!(%error, "a query cannot be answered");
                Self::internal()
            }
        }
    }
}
