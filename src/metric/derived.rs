//! Metrics that are computed from the records of other metrics when they are read, and never recorded.

use std::collections::BTreeSet;

use strum::{EnumIter, IntoStaticStr};

use super::{MetricFormula, MetricKey, Window};

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
    /// Whether it is left out where none of its inputs is recorded, as a preset's is.
    pub is_optional: bool,
}

/// How a value is derived from those of other metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Derivation {
    /// The sum or mean of the metric `of` over a window of days that ends with the day.
    Moving { of: String, window: Window, function: MovingFunction },
    /// A formula over the values of the same day.
    Formula(MetricFormula),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum MovingFunction {
    Sum,
    Average,
}

/// The metrics that a derived one is computed from, and that are derived from no others. Config refuses circles.
pub fn recorded_inputs<'a>(derived: &'a [DerivedMetric], category: &'a str) -> BTreeSet<&'a str> {
    match derived.iter().find(|metric| metric.key.category == category) {
        Some(metric) => {
            let inputs = metric.derivation.inputs().iter();
            inputs.flat_map(|input| recorded_inputs(derived, input)).collect()
        }
        None => BTreeSet::from([category]),
    }
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
