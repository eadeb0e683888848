//! Why a query has no answer.

use std::fmt;

use jiff::civil::Date;
use uuid::Uuid;

use super::interval::Interval;
use crate::{collect::CollectError, config, metric::MetricKey, store::StoreError};

/// What is wrong with one parameter of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterProblem {
    /// Its name in URLs: `from`, `category`, `interval` …
    pub parameter: &'static str,
    pub message: String,
}

/// A series that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub key: MetricKey,
    pub interval: Interval,
    pub reason: String,
}

#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The parameters of the query are not valid.
    #[error("{}", joined(.0))]
    InvalidParameters(Vec<ParameterProblem>),
    /// None of the requested series can be answered.
    #[error("{}", joined(.0))]
    Refused(Vec<Refusal>),
    #[error("no run has the id {0}; `daymark status` shows the last ones")]
    UnknownRun(Uuid),
    #[error("no metric is called {}{suggestion}", config::shown(category))]
    UnknownMetric { category: String, suggestion: String },
    /// The catalogue is older than a record and must be loaded again.
    #[error("the {} `{}` has a record of {date} by version {version} of its definition, which is not known", key.metric_type, key.category)]
    UnknownVersion { key: MetricKey, date: Date, version: i32 },
    #[error("{0}")]
    TooManyDigits(String),
    #[error(transparent)]
    Collect(#[from] CollectError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the export cannot be written: {0}")]
    Export(String),
}

impl fmt::Display for ParameterProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.parameter, self.message)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` by {}: {}", self.key.category, self.interval.name(), self.reason)
    }
}

fn joined(problems: &[impl fmt::Display]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
