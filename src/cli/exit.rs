//! The exit codes of the program.

use std::process::ExitCode;

use crate::{
    access::KeyError,
    alerts::SilenceError,
    annotations::AnnotationError,
    collect::{CollectError, PauseError},
    config::ConfigProblems,
    corrections::{CorrectionError, RedactError, RestateError},
    database::FaultClass,
    definitions::{DefineError, FunctionsError},
    query::QueryError,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    Failed = 1,
    /// Wrong arguments or configuration. clap uses the same code.
    Usage = 2,
    /// Some metrics failed; the others are recorded.
    Partial = 3,
    /// Another process is doing the same.
    Busy = 4,
    /// The requested day is not finished, or the platform does not show all of it yet.
    NotYet = 5,
    /// Ctrl-C or SIGTERM; committed records are kept. The code is 128 + SIGINT, which is the convention of shells.
    Interrupted = 130,
}

impl Exit {
    /// The code for an error that ended the program.
    pub fn of(error: &anyhow::Error) -> Self {
        match is_mistake(error) {
            Some(true) => Self::Usage,
            Some(false) => Self::Failed,
            None => collect_error(error).map_or(Self::Failed, Self::of_collecting),
        }
    }

    /// Whether the command ended because the tenant has no metric.
    pub fn is_of_no_definitions(error: &anyhow::Error) -> bool {
        matches!(collect_error(error), Some(CollectError::NoDefinitions))
    }

    fn of_collecting(error: &CollectError) -> Self {
        match error {
            CollectError::Busy { .. } => Self::Busy,
            CollectError::Unfinished { .. } | CollectError::Stale { .. } => Self::NotYet,
            CollectError::UnknownMetric { .. }
            | CollectError::Derived { .. }
            | CollectError::OtherTimeZone { .. }
            | CollectError::EmptyRange { .. }
            | CollectError::BeforeFirstRow { .. }
            | CollectError::TooEarly { .. }
            | CollectError::TooManyValues { .. }
            | CollectError::NeverHappened { .. } => Self::Usage,
            CollectError::Platform { fault, .. } if fault.class == FaultClass::Unconfigured => Self::Usage,
            CollectError::Interrupted { .. } => Self::Interrupted,
            _ => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Whether the error is a mistake of the user; `None` where that depends on an error within it.
fn is_mistake(error: &anyhow::Error) -> Option<bool> {
    if error.is::<ConfigProblems>() {
        return Some(true);
    }
    if let Some(error) = error.downcast_ref::<KeyError>() {
        return Some(!matches!(error, KeyError::Store(_) | KeyError::Random(_)));
    }
    if let Some(error) = error.downcast_ref::<SilenceError>() {
        return Some(!matches!(error, SilenceError::Store(_)));
    }
    if let Some(error) = error.downcast_ref::<PauseError>() {
        return Some(!matches!(error, PauseError::Store(_)));
    }
    if let Some(error) = error.downcast_ref::<AnnotationError>() {
        return Some(!matches!(error, AnnotationError::Store(_)));
    }
    if let Some(error) = error.downcast_ref::<CorrectionError>() {
        return Some(!matches!(error, CorrectionError::Store(_)));
    }
    if let Some(error) = error.downcast_ref::<RedactError>() {
        use RedactError::{Correction, Label, Member, NamedByReason, Placeholder, Rest};
        return Some(matches!(error, Label | Placeholder | Rest | Member | NamedByReason | Correction(_)));
    }
    let is_mistake = match (error.downcast_ref::<RestateError>(), error.downcast_ref::<QueryError>()) {
        (Some(RestateError::NotReconstructible(_) | RestateError::NoRecord(..)), _)
        | (Some(RestateError::Correction(CorrectionError::Reason)), _)
        | (_, Some(QueryError::InvalidParameters(_) | QueryError::Refused(_) | QueryError::UnknownRun(_))) => {
            true
        }
        _ => match error.downcast_ref::<DefineError>() {
            Some(error) => !matches!(error, DefineError::Collect(_)),
            None => {
                matches!(error.downcast_ref::<FunctionsError>(), Some(FunctionsError::OtherDatabase { .. }))
            }
        },
    };
    is_mistake.then_some(true)
}

/// The error of a collection that the error is, or has within it.
fn collect_error(error: &anyhow::Error) -> Option<&CollectError> {
    match (error.downcast_ref::<QueryError>(), error.downcast_ref::<RestateError>()) {
        (Some(QueryError::Collect(error)), _) | (_, Some(RestateError::Collect(error))) => Some(error),
        _ => match (error.downcast_ref::<FunctionsError>(), error.downcast_ref::<DefineError>()) {
            (Some(FunctionsError::Collect(error)), _) | (_, Some(DefineError::Collect(error))) => Some(error),
            _ => error.downcast_ref(),
        },
    }
}
