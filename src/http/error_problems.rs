//! Which problem each error of the layers below is, and which of them are logged.

use axum::http::StatusCode;

use super::problem::{InvalidParameter, Problem, bounded};
use crate::{
    clock::{Clock, SystemClock},
    collect::CollectError,
    config::Finding,
    definitions::DefineError,
    query::{QueryError, Refusal},
    store::StoreError,
    telemetry::LogThrottle,
};

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
            QueryError::Refused(refusals) => cannot_be_rolled_up(&refusals),
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

fn cannot_be_rolled_up(refusals: &[Refusal]) -> Problem {
    let title = "The values of a metric do not add up over days";
    let errors = refusals
        .iter()
        .map(|refusal| InvalidParameter { parameter: "interval".to_owned(), detail: refusal.to_string() });
    let errors: Vec<_> = errors.collect();
    let details: Vec<_> = errors.iter().map(|error| error.detail.as_str()).collect();
    let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "cannot-be-rolled-up", title);
    problem.detail(details.join("; ")).errors(errors)
}
