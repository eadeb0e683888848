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
        if error.downcast_ref::<ConfigProblems>().is_some() {
            return Self::Usage;
        }
        if let Some(error) = error.downcast_ref::<KeyError>() {
            return match error {
                KeyError::Store(_) | KeyError::Random(_) => Self::Failed,
                _ => Self::Usage,
            };
        }
        if let Some(error) = error.downcast_ref::<SilenceError>() {
            return if matches!(error, SilenceError::Store(_)) { Self::Failed } else { Self::Usage };
        }
        if let Some(error) = error.downcast_ref::<PauseError>() {
            return if matches!(error, PauseError::Store(_)) { Self::Failed } else { Self::Usage };
        }
        if let Some(error) = error.downcast_ref::<AnnotationError>() {
            return if matches!(error, AnnotationError::Store(_)) { Self::Failed } else { Self::Usage };
        }
        match error.downcast_ref::<RedactError>() {
            Some(
                RedactError::Label
                | RedactError::Placeholder
                | RedactError::Rest
                | RedactError::Member
                | RedactError::NamedByReason
                | RedactError::Correction(_),
            ) => return Self::Usage,
            Some(_) => return Self::Failed,
            None => {}
        }
        match error.downcast_ref::<RestateError>() {
            Some(RestateError::NotReconstructible(_) | RestateError::NoRecord(..)) => return Self::Usage,
            Some(RestateError::Correction(CorrectionError::Reason)) => return Self::Usage,
            _ => {}
        }
        if let Some(error) = error.downcast_ref::<CorrectionError>() {
            return if matches!(error, CorrectionError::Store(_)) { Self::Failed } else { Self::Usage };
        }
        if let Some(FunctionsError::OtherDatabase { .. }) = error.downcast_ref::<FunctionsError>() {
            return Self::Usage;
        }
        let collecting = match error.downcast_ref::<QueryError>() {
            Some(QueryError::InvalidParameters(_) | QueryError::Refused(_) | QueryError::UnknownRun(_)) => {
                return Self::Usage;
            }
            Some(QueryError::Collect(error)) => Some(error),
            _ if let Some(RestateError::Collect(error)) = error.downcast_ref::<RestateError>() => Some(error),
            _ => match (error.downcast_ref::<FunctionsError>(), error.downcast_ref::<DefineError>()) {
                (Some(FunctionsError::Collect(error)), _) | (_, Some(DefineError::Collect(error))) => {
                    Some(error)
                }
                (_, Some(_)) => return Self::Usage,
                _ => error.downcast_ref::<CollectError>(),
            },
        };
        collecting.map_or(Self::Failed, Self::of_collecting)
    }

    /// Whether the command ended because the tenant has no metric.
    pub fn is_of_no_definitions(error: &anyhow::Error) -> bool {
        let collecting = match (error.downcast_ref::<QueryError>(), error.downcast_ref::<RestateError>()) {
            (Some(QueryError::Collect(error)), _) | (_, Some(RestateError::Collect(error))) => Some(error),
            _ => error.downcast_ref::<CollectError>(),
        };
        matches!(collecting, Some(CollectError::NoDefinitions))
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
