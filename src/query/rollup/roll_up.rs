//! How the values of a metric over several days become one, by its definition.

use serde::Serialize;
use strum::IntoStaticStr;
use utoipa::ToSchema;

use crate::metric::{AddsUp, Definition, Kind, LabelAggregate, Measure, Phase, QueryShape, Window};

/// How the values of several days combine into one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum RollUp {
    /// The last recorded value (for stocks).
    Last,
    /// Their sum (for flows).
    Sum,
    /// Their mean, weighted by sample size.
    Average,
    /// The least of them (for minima).
    Minimum,
    /// The largest of them (for maxima).
    Maximum,
    /// Sum of numerators over sum of denominators.
    Percentage,
    /// Their sum for each label (for breakdowns of flows).
    Merge,
    /// Their mean for each label (for breakdowns of averages).
    MergeAverages,
    /// The formula over the combined values of its inputs (for derived metrics).
    Formula,
    /// None: for distinct counts, for quantiles, and for metrics whose definition says that they do not add up.
    Never,
}

impl RollUp {
    pub fn of(definition: &Definition) -> Self {
        match (definition.kind(), &definition.measure) {
            (Kind::Stock, _) => Self::Last,
            (Kind::Flow, _) => Self::Sum,
            (Kind::Average, _) => Self::Average,
            (Kind::Minimum, _) => Self::Minimum,
            (Kind::Maximum, _) => Self::Maximum,
            (Kind::Percentage, _) => Self::Percentage,
            (Kind::Distinct | Kind::Quantile, _) => Self::Never,
            (Kind::Breakdown, Measure::Breakdown(breakdown)) => match (breakdown.phase, &breakdown.aggregate)
            {
                (Phase::Existing, _) => Self::Last,
                (Phase::Created, LabelAggregate::Rows | LabelAggregate::Sum(_)) => Self::Merge,
                (Phase::Created, LabelAggregate::Average(_)) => Self::MergeAverages,
                (Phase::Created, LabelAggregate::Distinct(_)) => Self::Never,
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
        self.into()
    }

    /// Whether the metadata of the records are part of the sum.
    pub fn needs_metadata(self) -> bool {
        !matches!(self, Self::Last | Self::Sum | Self::Never)
    }

    /// The name of the kind, for the message about a bucket with values of two kinds.
    pub(in crate::query) fn noun(self) -> &'static str {
        match self {
            Self::Last => "stocks, whose last value counts",
            Self::Sum => "flows, which add up",
            Self::Average => "averages",
            Self::Minimum => "minima",
            Self::Maximum => "maxima",
            Self::Percentage => "percentages",
            Self::Merge => "breakdowns",
            Self::MergeAverages => "breakdowns of averages",
            Self::Formula => "results of a formula",
            Self::Never => "values that do not add up",
        }
    }
}

/// Why the values of a metric that never rolls up are refused.
pub(in crate::query) fn never_reason(definition: &Definition) -> &'static str {
    match &definition.measure {
        Measure::Sql { .. } => {
            "its definition says that its values do not add up over days (`adds_up = \"never\"`, the default for a \
             query); request daily values, or set `adds_up` in its definition"
        }
        Measure::Quantile { .. } => {
            "the quantile of several days cannot be made of the quantiles of the days; request daily values, or define another \
             metric with the `window_days` that you need"
        }
        Measure::Breakdown(_) => {
            "distinct counts by label do not add up: a value of two days would count twice; request daily values"
        }
        Measure::Distinct { window: Window::ToDate(_), .. } => {
            "distinct counts do not add up: an actor who is active on two days would count twice; request daily values: that of \
             the last day of a week or month is that of the whole one"
        }
        Measure::Growth { .. } => {
            "the actors of several windows do not add up: an actor who is retained on two days would count twice; request daily \
             values: with `window_days = 7`, that of a Sunday is that of its week"
        }
        _ => NEVER,
    }
}

/// Why distinct counts are refused.
const NEVER: &str = "distinct counts do not add up: an actor who is active on two days would count twice; request \
     daily values, or define another metric with the window that you need";
