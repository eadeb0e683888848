//! Which records are read again, and why that may be refused.

use jiff::civil::Date;

use crate::{
    collect::{CollectError, Failure},
    corrections::request::CorrectionError,
    store::StoreError,
};

/// Which records are read again.
#[derive(Debug, Clone)]
pub struct RestateRequest {
    /// An active metric.
    pub category: String,
    /// By default the first recorded day.
    pub from: Option<Date>,
    /// By default the last recorded day.
    pub to: Option<Date>,
    /// Whether days are restated of which the platform has lost rows since they were recorded.
    pub accept_loss: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum RestateError {
    #[error(
        "the past values of `{0}` cannot be read again: its measure knows the present state only; correct the days with `daymark \
             correct`"
    )]
    NotReconstructible(String),
    /// The metric, and the days that were asked for.
    #[error("`{0}` has no record {1} that could be restated")]
    NoRecord(String, String),
    #[error("`{}` cannot be read: {}", .0.category, .0.message)]
    Unreadable(Box<Failure>),
    #[error(transparent)]
    Correction(#[from] CorrectionError),
    #[error(transparent)]
    Collect(#[from] CollectError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RestateError {
    /// Whether the request itself cannot be fulfilled, as opposed to a failure while fulfilling it.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::NotReconstructible(_) | Self::NoRecord(..) => true,
            Self::Correction(error) => !matches!(error, CorrectionError::Store(_)),
            Self::Collect(error) => error.is_refusal(),
            Self::Unreadable(_) | Self::Store(_) => false,
        }
    }
}
