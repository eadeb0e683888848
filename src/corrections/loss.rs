//! Tells from a record and the same definition's present answer whether the platform has lost rows since.

use serde_json::{Map, Value};

use crate::{
    metric::{Decimal, Observation},
    store::RecordedDay,
};

/// The members of the metadata that say of what a value is made.
const PARTS: [&str; 8] =
    ["sample_size", "sum", "numerator", "denominator", "breakdown", "other", "total", "unlabelled"];

/// Whether `now`, which the definition of the record gives by the present rows, is of fewer rows than the record.
pub(super) fn is_loss(recorded: &RecordedDay, now: &Observation) -> bool {
    let none = Map::new();
    let then = rows(recorded.metadata.as_deref().unwrap_or(&none), &recorded.value);
    rows(&now.metadata, &now.value) < then
}

/// The number of rows that made a value: the size of its sample, its denominator or the total of its labels, or otherwise the value,
/// which is a count.
fn rows(metadata: &Map<String, Value>, value: &Decimal) -> Decimal {
    let number = |name: &str| match metadata.get(name) {
        Some(Value::Number(number)) => number.as_str().parse().ok(),
        _ => None,
    };
    let found = ["sample_size", "denominator", "total"].into_iter().find_map(number);
    found.unwrap_or_else(|| value.clone())
}

/// Whether both values are made of the same parts.
pub(super) fn same_parts(one: &Map<String, Value>, other: &Map<String, Value>) -> bool {
    PARTS.iter().all(|part| one.get(*part) == other.get(*part))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use serde_json::json;

    use super::*;
    use crate::metric::Provenance;

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn record(value: i64, metadata: &Value) -> RecordedDay {
        RecordedDay {
            date: date(2025, 1, 1),
            value: value.into(),
            provenance: Provenance::Observed,
            definition_version: 1,
            metadata: Some(Box::new(object(metadata))),
            judgement: None,
            correction: None,
        }
    }

    #[test]
    fn fewer_rows_than_at_the_time_are_a_loss() {
        let now =
            |value: i64, metadata: &Value| Observation { value: value.into(), metadata: object(metadata) };
        assert!(is_loss(&record(5, &json!({})), &now(4, &json!({}))));
        assert!(!is_loss(&record(5, &json!({})), &now(6, &json!({}))), "rows that arrived late are no loss");
        let average = json!({"sample_size": 4, "sum": 20});
        assert!(is_loss(&record(5, &average), &now(9, &json!({"sample_size": 3, "sum": 27}))));
        assert!(!is_loss(&record(5, &average), &now(4, &json!({"sample_size": 4, "sum": 16}))));
        assert!(is_loss(&record(50, &json!({"denominator": 8})), &now(50, &json!({"denominator": 6}))));
        let labels = |total: i64| json!({"breakdown": {"jazz": total}, "total": total});
        assert!(
            is_loss(&record(1, &labels(8)), &now(1, &labels(7))),
            "the value of a breakdown is its number of labels"
        );
    }

    #[test]
    fn values_of_other_parts_differ() {
        let parts = |jazz: i64| object(&json!({"breakdown": {"jazz": jazz}, "top_items": 1}));
        assert!(same_parts(&parts(1), &parts(1)));
        assert!(!same_parts(&parts(1), &parts(2)));
    }
}
