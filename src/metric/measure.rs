//! Measures: how a metric is computed from sources.

use serde::{Deserialize, Serialize};

use super::{Phase, QueryShape, Reading, Rows};

/// How the values of a user's own query combine over days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddsUp {
    /// A flow: a week is the sum of its days.
    Sum,
    /// A stock: a week is its last day.
    Last,
    /// A distinct count: days do not combine.
    Never,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breakdown {
    pub rows: Rows,
    pub column: String,
    pub phase: Phase,
    /// How many labels are recorded by name; the rest is recorded as "other", apart from any real label.
    pub top: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "measure", rename_all = "snake_case")]
pub enum Measure {
    /// Rows created in the day.
    Created(Rows),
    /// Rows existing at the day's end.
    Existing(Rows),
    /// Distinct actors of any of `rows` in the `window_days` calendar days that end with the day.
    DistinctActors { rows: Vec<Rows>, window_days: u32 },
    /// The mean of `column` over the rows created in the day, NULLs left out.
    Average { rows: Rows, column: String },
    /// The sum of `column` over the rows created in the day, or existing at its end, NULLs left out.
    Sum { rows: Rows, column: String, phase: Phase },
    /// The least value of `column` among the rows created in the day.
    Minimum { rows: Rows, column: String },
    /// The largest value of `column` among the rows created in the day.
    Maximum { rows: Rows, column: String },
    /// One count divided by another.
    Ratio { numerator: Box<Measure>, denominator: Box<Measure> },
    /// How the rows spread over the values of a column.
    Breakdown(Breakdown),
    /// A query of the user's own, with `{day_start}`, `{day_end}` and `{day}` in it.
    Sql { query: String, shape: QueryShape, adds_up: AddsUp },
}

impl Measure {
    /// Everything that must be read from the platform to evaluate this measure, in the order [`super::Definition::evaluate`]
    /// expects the tallies.
    pub fn readings(&self) -> Vec<Reading> {
        match self {
            Self::Created(rows) => vec![Reading::Count { rows: rows.clone(), phase: Phase::Created }],
            Self::Existing(rows) => vec![Reading::Count { rows: rows.clone(), phase: Phase::Existing }],
            Self::DistinctActors { rows, window_days } => {
                vec![Reading::Distinct { rows: rows.clone(), window_days: *window_days }]
            }
            Self::Average { rows, column } => {
                vec![Reading::Moments { rows: rows.clone(), column: column.clone() }]
            }
            Self::Sum { rows, column, phase } => {
                vec![Reading::Sum { rows: rows.clone(), column: column.clone(), phase: *phase }]
            }
            Self::Minimum { rows, column } | Self::Maximum { rows, column } => {
                vec![Reading::Extremes { rows: rows.clone(), column: column.clone() }]
            }
            Self::Ratio { numerator, denominator } => {
                numerator.readings().into_iter().chain(denominator.readings()).collect()
            }
            Self::Breakdown(Breakdown { rows, column, phase, top }) => {
                vec![Reading::Labels { rows: rows.clone(), column: column.clone(), phase: *phase, top: *top }]
            }
            Self::Sql { query, shape, .. } => vec![Reading::Query { sql: query.clone(), shape: *shape }],
        }
    }

    /// The sources by name, each once.
    pub fn source_names(&self) -> Vec<&str> {
        let mut names = match self {
            Self::Created(rows)
            | Self::Existing(rows)
            | Self::Average { rows, .. }
            | Self::Sum { rows, .. }
            | Self::Minimum { rows, .. }
            | Self::Maximum { rows, .. } => vec![rows.source.as_str()],
            Self::Breakdown(breakdown) => vec![breakdown.rows.source.as_str()],
            Self::DistinctActors { rows, .. } => rows.iter().map(|rows| rows.source.as_str()).collect(),
            Self::Ratio { numerator, denominator } => {
                [numerator.source_names(), denominator.source_names()].concat()
            }
            Self::Sql { .. } => Vec::new(),
        };
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Whether a past day can be computed from the platform's present rows. A query that does not use the day would
    /// return the present value for every past day.
    pub fn reconstructible(&self) -> bool {
        match self {
            Self::Sql { query, .. } => super::uses_the_day(query),
            Self::Ratio { numerator, denominator } => {
                numerator.reconstructible() && denominator.reconstructible()
            }
            _ => true,
        }
    }
}
