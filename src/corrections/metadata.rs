//! The metadata of a corrected value. Roll-ups need some of them: the size of an average's sample, and the numerator and denominator of
//! a percentage.

use serde_json::{Map, Value};

use crate::metric::{Decimal, MetricType};

/// The metadata that go with `value`, made from those in force: an average keeps the size of its sample, and a percentage its
/// denominator, with the numerator that makes the value.
///
/// # Errors
/// When they cannot be made, because the value is a sum of labels.
pub(super) fn made_from(
    metric_type: MetricType,
    in_force: &Map<String, Value>,
    value: &Decimal,
) -> Result<Map<String, Value>, String> {
    let mut metadata = Map::new();
    match metric_type {
        MetricType::Count => {}
        MetricType::Average => metadata.extend(kept(in_force, "sample_size")),
        MetricType::Percentage => {
            let denominator = in_force.get("denominator").and_then(number);
            let numerator =
                denominator.as_ref().and_then(|whole| (value * whole).checked_div(&Decimal::from(100)));
            if let Some((numerator, denominator)) = numerator.zip(denominator) {
                metadata.insert("numerator".to_owned(), numerator.to_json());
                metadata.insert("denominator".to_owned(), denominator.to_json());
            }
        }
        MetricType::Aggregate if in_force.contains_key("breakdown") => {
            return Err("its value is the sum of its labels: give the metadata too, with `breakdown`, `top_items` and `other` \
                        as in the record"
                .to_owned());
        }
        MetricType::Aggregate => {}
    }
    Ok(metadata)
}

fn kept(metadata: &Map<String, Value>, name: &str) -> Option<(String, Value)> {
    metadata.get(name).map(|value| (name.to_owned(), value.clone()))
}

fn number(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => number.as_str().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn made(metric_type: MetricType, in_force: &Value, value: &str) -> Result<Value, String> {
        made_from(metric_type, in_force.as_object().unwrap(), &value.parse().unwrap()).map(Value::Object)
    }

    #[test]
    fn roll_ups_find_what_they_need() {
        let average = json!({"sample_size": 4, "sum": 10, "std_deviation": 1});
        assert_eq!(made(MetricType::Average, &average, "3"), Ok(json!({"sample_size": 4})));
        let share = json!({"numerator": 1, "denominator": 8});
        let expected = json!({"numerator": 2, "denominator": 8});
        assert_eq!(made(MetricType::Percentage, &share, "25"), Ok(expected));
        assert_eq!(made(MetricType::Count, &json!({"x": 1}), "3"), Ok(json!({})));
        made(MetricType::Aggregate, &json!({"breakdown": {"jazz": 1}}), "3").unwrap_err();
        assert_eq!(made(MetricType::Aggregate, &json!({}), "3"), Ok(json!({})));
    }
}
