//! Definitions of metrics: the measure that is recorded every day, and its presentation.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};
use strum::{EnumIter, EnumString, IntoStaticStr};

use super::{AddsUp, Decimal, Measure, Phase, Quantile, QueryShape, Source};

/// The key of a metric within a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MetricKey {
    pub metric_type: MetricType,
    pub category: String,
}

#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    EnumIter,
    EnumString,
    IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum MetricType {
    Count,
    Average,
    Percentage,
    Aggregate,
}

impl MetricType {
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl fmt::Display for MetricType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// How values combine over weeks and months.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Takes the last value.
    Stock,
    /// Sums up.
    Flow,
    /// Weighted by sample size.
    Average,
    /// Takes the least value.
    Minimum,
    /// Takes the largest value.
    Maximum,
    /// Recomputed from numerators and denominators.
    Percentage,
    /// Merged label by label.
    Breakdown,
    /// Does not combine: a distinct count.
    Distinct,
    /// Does not combine either.
    Quantile,
}

/// The range of plausible values. Values outside it are recorded too, and flagged in the record's metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedRange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Decimal>,
}

impl ExpectedRange {
    pub fn contains(&self, value: &Decimal) -> bool {
        self.min.as_ref().is_none_or(|min| value >= min) && self.max.as_ref().is_none_or(|max| value <= max)
    }
}

/// How the days before a metric was defined are recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, EnumIter, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum BackfillMode {
    /// By `daymark backfill` or a request.
    #[default]
    Manual,
    /// By the scheduler, from the platform's first row on.
    Auto,
}

impl BackfillMode {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Where dashboards show a metric.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DashboardPlace {
    /// Whether the overview shows it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub headline: bool,
    /// The heading under which it is listed; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
}

impl DashboardPlace {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// One metric. It carries the sources that it reads, so that a stored version of it says everything about how its
/// records were made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    pub metric_type: MetricType,
    /// The metric's name, unique among the active metrics of a tenant: `posts_created`.
    pub category: String,
    pub display_name: String,
    #[serde(default)]
    pub description: String,
    /// `count`, `percentage`, `seconds`, …
    #[serde(default)]
    pub unit: String,
    /// How a dashboard writes the value: `0,0`, `0.0`, …
    #[serde(default)]
    pub format_pattern: String,
    #[serde(default, skip_serializing_if = "DashboardPlace::is_default")]
    pub dashboard: DashboardPlace,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<ExpectedRange>,
    #[serde(default, skip_serializing_if = "BackfillMode::is_default")]
    pub backfill: BackfillMode,
    /// The reporting time zone, whose days are recorded: an IANA name.
    #[serde(default = "super::source::utc")]
    pub time_zone: String,
    #[serde(flatten)]
    pub measure: Measure,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, Source>,
}

impl Definition {
    pub fn key(&self) -> MetricKey {
        MetricKey { metric_type: self.metric_type, category: self.category.clone() }
    }

    /// The queries of the sources of all definitions, each once.
    pub fn source_queries<'a>(definitions: impl IntoIterator<Item = &'a Self>) -> BTreeSet<String> {
        let sources = definitions.into_iter().flat_map(|definition| definition.sources.values());
        sources.filter_map(|source| source.query.clone()).collect()
    }

    pub fn kind(&self) -> Kind {
        match (&self.measure, self.metric_type) {
            (Measure::Created(_), _) => Kind::Flow,
            (Measure::Existing(_), _) => Kind::Stock,
            (Measure::Distinct { .. } | Measure::Growth { .. }, _) => Kind::Distinct,
            (Measure::Average { .. }, _) => Kind::Average,
            (Measure::Sum { phase: Phase::Created, .. }, _) => Kind::Flow,
            (Measure::Sum { phase: Phase::Existing, .. }, _) => Kind::Stock,
            (Measure::Quantile { .. }, _) => Kind::Quantile,
            (Measure::Minimum { .. }, _) => Kind::Minimum,
            (Measure::Maximum { .. }, _) => Kind::Maximum,
            (Measure::Breakdown(_), _) => Kind::Breakdown,
            (Measure::Ratio { .. }, MetricType::Average) => Kind::Average,
            (Measure::Ratio { .. } | Measure::Retention(_), _) => Kind::Percentage,
            (Measure::Sql { shape, adds_up, .. }, _) => match (shape, adds_up) {
                (QueryShape::Average, _) => Kind::Average,
                (QueryShape::Ratio, _) => Kind::Percentage,
                (QueryShape::Labels { .. }, _) => Kind::Breakdown,
                (QueryShape::Value, AddsUp::Sum) => Kind::Flow,
                (QueryShape::Value, AddsUp::Last) => Kind::Stock,
                (QueryShape::Value, AddsUp::Never) => Kind::Distinct,
            },
        }
    }

    /// Whether it is the percentage of a part of what its denominator counts, and so never above 100: a retention, or the rows of a
    /// source that pass a filter among all rows of the source. Of other percentages this is not known.
    pub fn is_share(&self) -> bool {
        match &self.measure {
            Measure::Retention(_) => true,
            Measure::Ratio { numerator, denominator } if self.metric_type == MetricType::Percentage => {
                match (numerator.as_ref(), denominator.as_ref()) {
                    (Measure::Created(part), Measure::Created(all))
                    | (Measure::Existing(part), Measure::Existing(all)) => {
                        part.source == all.source && all.filter.is_empty()
                    }
                    _ => false,
                }
            }
            _ => false,
        }
    }
}

impl Measure {
    /// The name in `daymark.toml`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Created(_) => "created",
            Self::Existing(_) => "existing",
            Self::Distinct { column: None, .. } => "distinct_actors",
            Self::Distinct { .. } => "distinct",
            Self::Average { .. } => "average",
            Self::Sum { .. } => "sum",
            Self::Minimum { .. } => "minimum",
            Self::Maximum { .. } => "maximum",
            Self::Quantile { quantile: Quantile::MEDIAN, .. } => "median",
            Self::Quantile { .. } => "quantile",
            Self::Ratio { .. } => "ratio",
            Self::Retention(_) => "retention",
            Self::Growth { .. } => "growth",
            Self::Breakdown(_) => "breakdown",
            Self::Sql { .. } => "sql",
        }
    }

    /// Whether its value is the number of labels, and its metadata their values.
    pub fn has_labels(&self) -> bool {
        matches!(self, Self::Breakdown(_) | Self::Sql { shape: QueryShape::Labels { .. }, .. })
    }

    /// The metric types that this measure can make; the first is the default.
    pub fn makes(&self) -> &'static [MetricType] {
        match self {
            Self::Created(_) | Self::Existing(_) | Self::Distinct { .. } | Self::Growth { .. } => {
                &[MetricType::Count]
            }
            Self::Retention(_) => &[MetricType::Percentage],
            Self::Average { .. } | Self::Minimum { .. } | Self::Maximum { .. } | Self::Quantile { .. } => {
                &[MetricType::Average]
            }
            Self::Sum { .. } => &[MetricType::Aggregate],
            Self::Ratio { .. } => &[MetricType::Percentage, MetricType::Average],
            Self::Breakdown(_) => &[MetricType::Aggregate],
            Self::Sql { shape, .. } => match shape {
                QueryShape::Value => &[MetricType::Count, MetricType::Aggregate, MetricType::Average],
                QueryShape::Average => &[MetricType::Average],
                QueryShape::Ratio => &[MetricType::Percentage],
                QueryShape::Labels { .. } => &[MetricType::Aggregate],
            },
        }
    }
}
