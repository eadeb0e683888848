//! How the records of several days become one value. What a metric's values mean decides it, by the version of the
//! definition that made each record.

mod average;
mod breakdown;
mod parts;
mod percentage;
#[cfg(test)]
mod tests;

use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    metric::{AddsUp, Decimal, Definition, Kind, Measure, Phase, QueryShape},
    store::RecordedDay,
};

/// What becomes of the values of several days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RollUp {
    /// The last recorded one (what exists at the end of a day).
    Last,
    /// Their sum (what happens in a day).
    Sum,
    /// Their mean, weighted by sample size.
    Average,
    /// Sum of numerators over sum of denominators.
    Percentage,
    /// Label by label their sum (what happens in a day, by label).
    Merge,
    /// Nothing: distinct counts do not add up.
    Never,
}

/// The value of several days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rolled {
    pub value: Decimal,
    /// The day that a last value is of.
    pub value_date: Option<Date>,
    pub metadata: Option<Box<Map<String, Value>>>,
    /// Whether labels that were not recorded by name may make it more.
    pub lower_bound: bool,
}

impl RollUp {
    pub fn of(definition: &Definition) -> Self {
        match (definition.kind(), &definition.measure) {
            (Kind::Stock, _) => Self::Last,
            (Kind::Flow, _) => Self::Sum,
            (Kind::Average, _) => Self::Average,
            (Kind::Percentage, _) => Self::Percentage,
            (Kind::Distinct, _) => Self::Never,
            (Kind::Breakdown, Measure::Breakdown(breakdown)) => match breakdown.phase {
                Phase::Created => Self::Merge,
                Phase::Existing => Self::Last,
            },
            (Kind::Breakdown, Measure::Sql { shape: QueryShape::Labels { .. }, adds_up, .. }) => {
                match adds_up {
                    AddsUp::Sum => Self::Merge,
                    AddsUp::Last => Self::Last,
                    AddsUp::Never => Self::Never,
                }
            }
            (Kind::Breakdown, _) => Self::Merge,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Sum => "sum",
            Self::Average => "average",
            Self::Percentage => "percentage",
            Self::Merge => "merge",
            Self::Never => "never",
        }
    }

    /// Whether the metadata of the records are part of the sum.
    pub fn needs_metadata(self) -> bool {
        matches!(self, Self::Average | Self::Percentage | Self::Merge)
    }

    /// The value of `days`, which are in order and not empty.
    ///
    /// # Errors
    /// The reason why there is none.
    pub(super) fn apply(self, days: &[RecordedDay]) -> Result<Rolled, String> {
        match self {
            Self::Last => last(days),
            Self::Sum => Ok(Rolled::of(days.iter().fold(Decimal::zero(), |sum, day| &sum + &day.value))),
            Self::Average => average::combine(days),
            Self::Percentage => percentage::combine(days),
            Self::Merge => breakdown::merge(days),
            Self::Never => Err(NEVER.to_owned()),
        }
    }

    /// How the values of this kind are called, for the message about two kinds that meet.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Last => "stocks, of which the last counts",
            Self::Sum => "flows, which add up",
            Self::Average => "averages",
            Self::Percentage => "percentages",
            Self::Merge => "breakdowns",
            Self::Never => "distinct counts",
        }
    }
}

/// Why distinct counts are refused.
pub(super) const NEVER: &str = "distinct counts do not add up: somebody who came on two days would count twice; ask by day, \
     or define another metric with the window you need";

impl Rolled {
    fn of(value: Decimal) -> Self {
        Self { value, value_date: None, metadata: None, lower_bound: false }
    }
}

fn last(days: &[RecordedDay]) -> Result<Rolled, String> {
    let last = days.last().ok_or("nothing is recorded")?;
    Ok(Rolled {
        value: last.value.clone(),
        value_date: Some(last.date),
        metadata: last.metadata.clone(),
        lower_bound: false,
    })
}
