//! Measures: how a metric is computed from sources.

use serde::{Deserialize, Serialize};
use strum::{EnumIter, IntoStaticStr};

use super::{
    ActorState, LabelAggregate, Phase, Quantile, QueryShape, Reading, Retention, Rows, Window,
    rows::described_rows,
};

/// How the values of a user's own query combine over days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, EnumIter, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
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
    /// Definitions are stored with the key `fold`.
    #[serde(rename = "fold", default, skip_serializing_if = "LabelAggregate::is_rows")]
    pub aggregate: LabelAggregate,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "measure", rename_all = "snake_case")]
pub enum Measure {
    /// Rows created in the day.
    Created(Rows),
    /// Rows existing at the day's end.
    Existing(Rows),
    /// Distinct values of `column` among any of `rows` in the window that ends with the day; distinct actors without a column.
    #[serde(alias = "distinct_actors")]
    Distinct {
        rows: Vec<Rows>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        column: Option<String>,
        #[serde(alias = "window_days")]
        window: Window,
    },
    /// The mean of `column` over the rows created in the day, NULLs left out.
    Average { rows: Rows, column: String },
    /// The sum of `column` over the rows created in the day, or existing at its end, NULLs left out.
    Sum { rows: Rows, column: String, phase: Phase },
    /// The least value of `column` among the rows created in the day.
    Minimum { rows: Rows, column: String },
    /// The largest value of `column` among the rows created in the day.
    Maximum { rows: Rows, column: String },
    /// A quantile of `column` over the rows created in the `window_days` calendar days that end with the day, NULLs left out.
    Quantile { rows: Rows, column: String, quantile: Quantile, window_days: u32 },
    /// One count divided by another.
    Ratio { numerator: Box<Measure>, denominator: Box<Measure> },
    /// The share of the actors of an earlier day who are active now.
    Retention(Retention),
    /// The actors of a state, as the `window_days` calendar days that end with the day compare with those before them.
    Growth { rows: Vec<Rows>, state: ActorState, window_days: u32 },
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
            Self::Distinct { rows, column, window } => {
                vec![Reading::Distinct { rows: rows.clone(), column: column.clone(), window: *window }]
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
            Self::Quantile { rows, column, quantile, window_days } => vec![Reading::Quantile {
                rows: rows.clone(),
                column: column.clone(),
                quantile: *quantile,
                window_days: *window_days,
            }],
            Self::Ratio { numerator, denominator } => {
                numerator.readings().into_iter().chain(denominator.readings()).collect()
            }
            Self::Retention(retention) => retention.readings(),
            Self::Growth { rows, state, window_days } => state.readings(rows, *window_days),
            Self::Breakdown(Breakdown { rows, column, phase, top, aggregate }) => vec![Reading::Labels {
                rows: rows.clone(),
                column: column.clone(),
                phase: *phase,
                top: *top,
                aggregate: aggregate.clone(),
            }],
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
            | Self::Maximum { rows, .. }
            | Self::Quantile { rows, .. } => vec![rows.source.as_str()],
            Self::Breakdown(breakdown) => vec![breakdown.rows.source.as_str()],
            Self::Distinct { rows, .. } | Self::Growth { rows, .. } => {
                rows.iter().map(|rows| rows.source.as_str()).collect()
            }
            Self::Retention(retention) => retention.all_rows().map(|rows| rows.source.as_str()).collect(),
            Self::Ratio { numerator, denominator } => {
                [numerator.source_names(), denominator.source_names()].concat()
            }
            Self::Sql { .. } => Vec::new(),
        };
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The numerator and the denominator of a share, in words: `distinct_actors(posts, comments; 30 days) / existing(users)`.
    pub fn calculation(&self) -> Option<String> {
        match self {
            Self::Ratio { numerator, denominator } => {
                Some(format!("{} / {}", numerator.described(), denominator.described()))
            }
            Self::Retention(retention) => Some(retention.calculation()),
            _ => None,
        }
    }

    /// A count in few words: its measure, its sources, and whether a filter applies.
    fn described(&self) -> String {
        let (rows, window) = match self {
            Self::Created(rows) | Self::Existing(rows) => (std::slice::from_ref(rows), String::new()),
            Self::Distinct { rows, window: Window::Days(1), .. } => (rows.as_slice(), String::new()),
            Self::Distinct { rows, window, .. } => (rows.as_slice(), window.described()),
            _ => return self.name().to_owned(),
        };
        let column = match self {
            Self::Distinct { column: Some(column), .. } => format!(".{column}"),
            _ => String::new(),
        };
        described_rows(self.name(), rows, &column, &window)
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
