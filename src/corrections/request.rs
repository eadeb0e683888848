//! What may be asked of a correction, and what may be wrong with it.

use jiff::civil::Date;
use serde_json::{Map, Value};

use crate::{
    metric::{Decimal, MetricType},
    store::StoreError,
};

/// The most corrections of one request.
pub const MAX_CORRECTIONS: usize = 10_000;
/// The longest reason, in characters.
const MAX_REASON_CHARS: usize = 1000;

/// What is to be put right, for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorrectionRequest {
    pub reason: String,
    pub corrections: Vec<RequestedCorrection>,
}

/// A correction of a metric on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedCorrection {
    pub category: String,
    /// Where metrics of several types have or had this category; by default the active one.
    pub metric_type: Option<MetricType>,
    pub date: Date,
    pub change: RequestedChange,
    /// The number of the last revision of the day that the requester has seen, 0 for none: it is refused if another one came since.
    pub after_revision: Option<i32>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestedChange {
    /// Another value. Without metadata they are made from those in force; see `metadata.rs`.
    Value { value: Decimal, metadata: Option<Map<String, Value>> },
    /// The value of the day cannot be known.
    Withdraw,
    /// The revision of that number is taken back.
    TakeBack { revision: i32 },
}

/// What is wrong with one correction of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorrectionProblem {
    /// Its place in the request, from 0.
    pub place: usize,
    pub message: String,
}

#[derive(Debug, thiserror::Error)]
pub enum CorrectionError {
    #[error("a correction needs a reason of 1 to {MAX_REASON_CHARS} characters")]
    Reason,
    #[error("a request has 1 to {MAX_CORRECTIONS} corrections, not {0}")]
    Count(usize),
    #[error("{}", joined(.0))]
    Invalid(Vec<CorrectionProblem>),
    /// Days were corrected after the requester looked at them.
    #[error("{}", .0.join("\n"))]
    Outdated(Vec<String>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The reason without white space around it.
///
/// # Errors
/// When it is empty or too long.
pub fn checked_reason(reason: &str) -> Result<String, CorrectionError> {
    let reason = reason.trim();
    match (1..=MAX_REASON_CHARS).contains(&reason.chars().count()) {
        true => Ok(reason.to_owned()),
        false => Err(CorrectionError::Reason),
    }
}

fn joined(problems: &[CorrectionProblem]) -> String {
    problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("\n")
}
