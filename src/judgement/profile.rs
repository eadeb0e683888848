//! The properties of a definition that decide how its values are judged.

use serde_json::{Map, Value};

use crate::metric::{Decimal, Definition, ExpectedRange, Kind, MetricType};

/// How the values of a definition are judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Judged by its change since the day before.
    pub is_stock: bool,
    /// A number of rows, of actors or of labels, which varies at least as a Poisson variable does.
    pub is_count: bool,
    /// Never below 0.
    pub is_not_negative: bool,
    /// The range of the definition.
    pub range: Option<ExpectedRange>,
}

impl Profile {
    pub fn of(definition: &Definition) -> Self {
        let metric_type = definition.metric_type;
        Self {
            is_stock: definition.kind() == Kind::Stock,
            is_count: metric_type == MetricType::Count || definition.kind() == Kind::Breakdown,
            is_not_negative: matches!(metric_type, MetricType::Count | MetricType::Percentage)
                || definition.kind() == Kind::Breakdown,
            range: definition.expected_range(),
        }
    }
}

/// The standard error of a value by the size of its sample, from its metadata: of an average, its deviation by the root of the
/// sample size; of a percentage, that of a proportion with one row more of each sort, so that 0 % and 100 % of few rows
/// have an error (Agresti and Coull 1998); of a ratio of counts, that of a Poisson variable. 0 where the metadata do not say.
pub fn standard_error(metric_type: MetricType, metadata: &Map<String, Value>) -> f64 {
    let number = |name: &str| {
        let number: f64 = metadata.get(name)?.to_string().parse().ok()?;
        Some(number).filter(|number| number.is_finite() && *number >= 0.0)
    };
    let error = match metric_type {
        MetricType::Count | MetricType::Aggregate => None,
        MetricType::Percentage => number("numerator").zip(number("denominator")).and_then(|(part, all)| {
            let proportion = (part + 1.0) / (all + 2.0);
            (all > 0.0 && part <= all).then(|| 100.0 * (proportion * (1.0 - proportion) / all).sqrt())
        }),
        MetricType::Average => match (number("std_deviation"), number("sample_size"), number("numerator")) {
            (Some(deviation), Some(size), _) if size > 0.0 => Some(deviation / size.sqrt()),
            (None, Some(size), Some(numerator)) if size > 0.0 => Some(numerator.max(1.0).sqrt() / size),
            _ => None,
        },
    };
    error.filter(|error| error.is_finite()).unwrap_or(0.0)
}

/// The nearest float; `None` where it is infinite.
pub(super) fn approximate(value: &Decimal) -> Option<f64> {
    let value: f64 = value.to_string().parse().ok()?;
    Some(value).filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_standard_error_is_that_of_the_sample() {
        let error = |metric_type, metadata: Value| {
            let Value::Object(metadata) = metadata else { panic!("an object") };
            (standard_error(metric_type, &metadata) * 1000.0).round() / 1000.0
        };
        let percentage = |part: i64, all: i64| {
            error(MetricType::Percentage, json!({"numerator": part, "denominator": all}))
        };
        assert!((percentage(0, 1) - 47.14).abs() < 0.01, "one row of 0 % says little");
        assert!((percentage(5_000, 10_000) - 0.5).abs() < 0.001);
        assert!(percentage(7, 5).abs() < f64::EPSILON, "this is no proportion");
        let average = json!({"sum": 80, "sample_size": 16, "std_deviation": 8.5});
        assert!((error(MetricType::Average, average) - 2.125).abs() < 0.001);
        let ratio = json!({"sample_size": 10, "numerator": 25, "denominator": 10});
        assert!((error(MetricType::Average, ratio) - 0.5).abs() < 0.001);
        assert!(error(MetricType::Count, json!({})).abs() < f64::EPSILON);
    }
}
