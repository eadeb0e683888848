//! Metrics that are computed from the records of other metrics when they are read, and never recorded.

use super::{MetricFormula, MetricKey};

/// A derived metric: how it is computed, and its texts for dashboards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DerivedMetric {
    pub key: MetricKey,
    pub display_name: String,
    pub description: String,
    pub unit: String,
    pub format_pattern: String,
    /// The reporting time zone: an IANA name.
    pub time_zone: String,
    pub derivation: Derivation,
}

/// How a value is derived from those of other metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Derivation {
    /// The sum or mean of the metric `of` over the `window_days` calendar days that end with the day.
    Moving { of: String, window_days: u32, function: MovingFunction },
    /// A formula over the values of the same day.
    Formula(MetricFormula),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MovingFunction {
    Sum,
    Average,
}

impl MovingFunction {
    pub const ALL: [(&'static str, Self); 2] = [("sum", Self::Sum), ("average", Self::Average)];
}

impl Derivation {
    /// The names of the metrics that it is computed from, each once.
    pub fn inputs(&self) -> &[String] {
        match self {
            Self::Moving { of, .. } => std::slice::from_ref(of),
            Self::Formula(formula) => formula.inputs(),
        }
    }
}
