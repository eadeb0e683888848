//! The arguments that `query` and `export` share: the metrics, the days and the intervals.

use clap::Args;
use jiff::civil::Date;
use strum::IntoEnumIterator;

use super::{date, word_parser::WordParser};
use crate::{
    metric::MetricType,
    query::{Interval, ParameterProblem, QueryError, SeriesRequest, VALUES, ViewRequest},
};

#[derive(Args)]
pub struct SeriesArguments {
    /// The first day
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse)]
    from: Option<Date>,
    /// The last day [default: the last finished one]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse)]
    to: Option<Date>,
    /// Only this metric (may be given several times) [default: all active ones]
    #[arg(long = "metric", value_name = "CATEGORY")]
    pub metrics: Vec<String>,
    /// Only metrics of this type (may be given several times)
    #[arg(long = "type", value_name = "TYPE", value_parser = WordParser::new(MetricType::iter().map(MetricType::name)))]
    pub types: Vec<String>,
    /// How long a point is (may be given several times) [default: day]
    #[arg(long = "interval", value_name = "INTERVAL", value_parser = WordParser::new(Interval::iter().map(Interval::name)).with_synonyms(Interval::canonical_name))]
    intervals: Vec<String>,
    /// The day on which weeks begin [default: `query.week_start`]
    #[arg(long, value_name = "WEEKDAY")]
    week_start: Option<String>,
}

/// Which values are shown, for `query` and `export`.
#[derive(Args)]
pub struct ViewArguments {
    /// Show the values in force, or those that were recorded, whether they were corrected or not [default: in_force]
    #[arg(long, value_name = "WHICH", value_parser = WordParser::new(VALUES))]
    values: Option<String>,
    /// Show what was known at this instant (2025-01-31T12:00:00Z) or at the end of this day (2025-01-31)
    #[arg(long, value_name = "TIME")]
    as_of: Option<String>,
}

impl ViewArguments {
    pub fn request(&self) -> ViewRequest<'_> {
        ViewRequest { values: self.values.as_deref(), as_of: self.as_of.as_deref() }
    }
}

/// Replaces the names of the error's parameters with those of the command line's flags.
pub fn by_flags(error: anyhow::Error) -> anyhow::Error {
    let named =
        |problem: ParameterProblem| ParameterProblem { parameter: flag(problem.parameter), ..problem };
    match error.downcast::<QueryError>() {
        Ok(QueryError::InvalidParameters(problems)) => {
            QueryError::InvalidParameters(problems.into_iter().map(named).collect()).into()
        }
        Ok(other) => other.into(),
        Err(other) => other,
    }
}

fn flag(parameter: &'static str) -> &'static str {
    match parameter {
        "from" => "--from",
        "to" => "--to",
        "category" => "--metric",
        "type" => "--type",
        "interval" => "--interval",
        "week_start" => "--week-start",
        "days" => "--activity",
        "values" => "--values",
        "as_of" => "--as-of",
        other => other,
    }
}

impl SeriesArguments {
    pub fn request(&self) -> SeriesRequest {
        SeriesRequest {
            from: self.from.map(|date| date.to_string()),
            to: self.to.map(|date| date.to_string()),
            categories: self.metrics.clone(),
            types: self.types.clone(),
            intervals: self.intervals.clone(),
            week_start: self.week_start.clone(),
            ..SeriesRequest::default()
        }
    }
}
