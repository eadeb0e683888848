//! Which metadata a corrected value gets, and which given metadata are refused.

use serde_json::json;

use super::*;
use crate::metric::ExpectedRange;

fn rules(metric_type: MetricType) -> Rules {
    Rules { metric_type, is_count: false, has_sample: false, calculation: None, expected: None }
}

fn made(metric_type: MetricType, in_force: &Value, value: &str) -> Result<Value, String> {
    let (rules, in_force) = (rules(metric_type), in_force.as_object().unwrap());
    checked(&rules, in_force, &value.parse().unwrap(), None).map(Value::Object)
}

#[test]
fn roll_ups_find_what_they_need() {
    let average = json!({"sample_size": 4, "sum": 10, "std_deviation": 1});
    assert_eq!(made(MetricType::Average, &average, "3"), Ok(json!({"sample_size": 4})));
    let share = json!({"numerator": 1, "denominator": 8});
    let expected = json!({"numerator": 2, "denominator": 8});
    assert_eq!(made(MetricType::Percentage, &share, "25"), Ok(expected));
    let ratio = json!({"numerator": 1, "denominator": 8, "sample_size": 8});
    let expected = json!({"numerator": 12, "denominator": 8, "sample_size": 8});
    assert_eq!(made(MetricType::Average, &ratio, "1.5"), Ok(expected));
    assert_eq!(made(MetricType::Count, &json!({"x": 1}), "3"), Ok(json!({})));
    assert_eq!(made(MetricType::Aggregate, &json!({}), "3"), Ok(json!({})));
}

#[test]
fn a_share_keeps_its_calculation_and_a_value_out_of_range_its_flag() {
    let range = ExpectedRange { min: None, max: Some(100.into()) };
    let of = |value: &str, given: &Value| {
        let rules = Rules {
            calculation: Some("a / b".to_owned()),
            expected: Some(range.clone()),
            ..rules(MetricType::Percentage)
        };
        let in_force = json!({"numerator": 1, "denominator": 8, "calculation": "an early a / b"});
        let given = given.as_object().unwrap().clone();
        checked(&rules, in_force.as_object().unwrap(), &value.parse().unwrap(), Some(given))
    };
    let share = json!({"numerator": 2, "denominator": 8, "calculation": "a / b"});
    let mut given = json!({"numerator": 2, "denominator": 8});
    assert_eq!(of("25", &json!({})).map(Value::Object), Ok(share.clone()));
    assert_eq!(of("25", &given).map(Value::Object), Ok(share.clone()));
    given["calculation"] = json!("an early a / b");
    given["out_of_range"] = json!({"max": 7});
    assert_eq!(of("25", &given).map(Value::Object), Ok(share));
    given["calculation"] = json!("of Ada");
    assert!(of("25", &given).unwrap_err().contains("`calculation` is made by the definition"));
    let high = of("200", &json!({"numerator": 16, "denominator": 8})).unwrap();
    assert_eq!(high["out_of_range"], json!({"max": 100}));
}

#[test]
fn counts_are_whole_and_not_negative() {
    let count = |metric_type| Rules { is_count: true, ..rules(metric_type) };
    let of = |value: &str| {
        checked(&count(MetricType::Count), &Map::new(), &value.parse().unwrap(), None).unwrap_err()
    };
    assert_eq!(of("1.5"), "the metric counts rows or distinct values, and 1.5 is not a whole number");
    assert_eq!(of("-1"), "a count is never negative, but -1 is");
    let labels = |jazz: &str, rest: &str, total: &str| {
        let text = format!(
            r#"{{"breakdown":{{"jazz":{jazz}}},"other":{{"labels":1,"value":{rest}}},"total":{total},"unlabelled":0}}"#
        );
        serde_json::from_str::<Map<String, Value>>(&text).unwrap()
    };
    let in_force = labels("1", "1", "2");
    for (given, expected) in [
        (labels("2.0", "1", "3"), None),
        (labels("-2", "3", "1"), Some("`jazz` of its metadata is -2")),
        (labels("1.5", "0.5", "2"), Some("`jazz` of its metadata is 1.5")),
        (labels("2", "-1", "1"), Some("`other` of its metadata is -1")),
    ] {
        let check = |rules: Rules| checked(&rules, &in_force, &2.into(), Some(given.clone()));
        let found = check(count(MetricType::Aggregate)).err();
        assert_eq!(found.is_some(), expected.is_some(), "{found:?}");
        assert!(found.unwrap_or_default().contains(expected.unwrap_or_default()));
        check(rules(MetricType::Aggregate)).expect("labels of sums may be anything");
    }
}

#[test]
fn unknown_members_are_refused() {
    let none = json!({});
    let labels = json!({
        "breakdown": {"jazz": 1}, "other": {"labels": 0, "value": 0}, "total": 1, "unlabelled": 0,
    });
    let with = |of: &Value, member: &str| {
        let mut changed = of.clone();
        changed[member] = json!("of Ada Lovelace");
        changed
    };
    let mut in_other = labels.clone();
    in_other["other"]["note"] = json!("of Ada Lovelace");
    for (metric_type, in_force, given) in [
        (MetricType::Count, &none, with(&none, "note")),
        (MetricType::Aggregate, &none, with(&none, "sample_size")),
        (MetricType::Average, &none, with(&json!({"sample_size": 1}), "note")),
        (MetricType::Percentage, &none, with(&json!({"numerator": 1, "denominator": 1}), "sample_size")),
        (MetricType::Aggregate, &labels, with(&labels, "Ada Lovelace")),
        (MetricType::Aggregate, &labels, in_other),
    ] {
        let problem = problem(metric_type, in_force, "1", &given);
        assert!(problem.contains("is not a known member"), "{given}: {problem}");
    }
    let found = problem(MetricType::Percentage, &none, "1", &json!({"note": "x"}));
    assert_eq!(
        found,
        "`note` is not a known member of its metadata; they may have `numerator`, `denominator`, `calculation`"
    );
    let found = problem(MetricType::Count, &none, "1", &json!({"note": "x"}));
    assert_eq!(found, "`note` is not a known member of its metadata; it has none");
    let mut listed = labels.clone();
    listed["top_items"] = json!([{"key": "Ada Lovelace", "value": 9}]);
    let given = Some(listed.as_object().unwrap().clone());
    let kept = checked(&rules(MetricType::Aggregate), labels.as_object().unwrap(), &1.into(), given);
    assert_eq!(kept.map(Value::Object), Ok(labels), "a list of the labels is made again when it is read");
}

#[test]
fn metadata_that_cannot_be_computed_must_be_given() {
    for (metric_type, in_force, needed) in [
        (MetricType::Average, json!({"sample_size": 0}), "{\"sample_size\": 4}"),
        (MetricType::Percentage, json!({"numerator": 0, "denominator": 0}), "\"denominator\": 4"),
        (
            MetricType::Aggregate,
            json!({"breakdown": {"jazz": 1}}),
            "`breakdown`, `other`, `total` and `unlabelled`",
        ),
        (MetricType::Aggregate, json!({"breakdown": {}, "sums": {}}), "`sample_sizes`"),
    ] {
        for value in ["0", "3"] {
            let refused = made(metric_type, &in_force, value).unwrap_err();
            assert!(refused.contains(needed), "{refused}");
        }
    }
}

/// What is wrong with metadata that are given for a value; empty if nothing is.
fn problem(metric_type: MetricType, in_force: &Value, value: &str, given: &Value) -> String {
    let given = given.as_object().unwrap().clone();
    let value = value.parse().unwrap();
    match checked(&rules(metric_type), in_force.as_object().unwrap(), &value, Some(given.clone())) {
        Ok(metadata) => {
            assert_eq!(metadata, given);
            String::new()
        }
        Err(problem) => problem,
    }
}

#[test]
fn given_metadata_make_the_value() {
    let average = json!({"sample_size": 4, "sum": 10});
    for (value, given, expected) in [
        ("3", json!({"sample_size": 4}), ""),
        ("3", json!({"sample_size": 4, "sum": 12, "std_deviation": 0.5}), ""),
        ("0.33", json!({"sample_size": 3, "sum": 1}), ""),
        ("0.333333333333", json!({"sample_size": 3, "sum": 1}), ""),
        ("0", json!({"sample_size": 0, "sum": 0}), ""),
        ("0.3", json!({"sample_size": 3, "sum": 1}), "is 0.333333333333, not 0.3"),
        ("3", json!({"sum": 12}), "lack `sample_size`"),
        ("3", json!({"sample_size": "4"}), "must be a number"),
        ("3", json!({"sample_size": -4}), "must not be negative"),
        ("3", json!({"sample_size": 0}), "the value must be 0"),
        ("3", json!({"sample_size": 4, "sum": 13}), "its `sum` over its `sample_size` is 3.25, not 3"),
        ("3", json!({"sample_size": 4, "numerator": 12, "denominator": 5}), "its `denominator` is not"),
        ("3", json!({"sample_size": 4, "std_deviation": -1}), "must not be negative"),
    ] {
        let found = problem(MetricType::Average, &average, value, &given);
        assert!(found.contains(expected) && found.is_empty() == expected.is_empty(), "{given}: {found}");
    }
    let share = json!({"numerator": 1, "denominator": 8});
    for (value, given, expected) in [
        ("25", json!({"numerator": 2, "denominator": 8}), ""),
        ("0", json!({"numerator": 0, "denominator": 0}), ""),
        ("25", json!({"numerator": 2}), "lack `denominator`"),
        ("25", json!({"numerator": "2", "denominator": 8}), "must be a number"),
        ("25", json!({"numerator": 1, "denominator": 8}), "is 12.5, not 25"),
        ("25", json!({"numerator": 0, "denominator": 0}), "the value must be 0"),
    ] {
        let found = problem(MetricType::Percentage, &share, value, &given);
        assert!(found.contains(expected) && found.is_empty() == expected.is_empty(), "{given}: {found}");
    }
}

#[test]
fn given_labels_make_the_value() {
    let labels = |breakdown: &Value, other: &Value, total: i64| json!({"breakdown": breakdown, "other": other, "total": total, "unlabelled": 0});
    let recorded = labels(&json!({"jazz": 2}), &json!({"labels": 0, "value": 0}), 2);
    let rest = json!({"labels": 2, "value": 3});
    for (value, given, expected) in [
        ("3", labels(&json!({"rock": 9}), &rest, 12), ""),
        ("12", labels(&json!({"rock": 9}), &rest, 12), "the number of its labels, which is 3"),
        ("3", labels(&json!({"rock": 9}), &rest, 9), "which is 12"),
        ("3", labels(&json!({"rock": "9"}), &rest, 12), "must be a number"),
        ("3", labels(&json!(["rock"]), &rest, 12), "must be an object"),
        (
            "1",
            json!({"breakdown": {"rock": 9}, "other": {"labels": 0, "value": 0}, "total": 9}),
            "lack `unlabelled`",
        ),
        ("1", json!({"breakdown": {"rock": 9}}), "lack `other`"),
    ] {
        let found = problem(MetricType::Aggregate, &recorded, value, &given);
        assert!(found.contains(expected) && found.is_empty() == expected.is_empty(), "{given}: {found}");
    }
    let means = |sum: i64, labels: &[&str]| {
        json!({
            "breakdown": {"rock": 2}, "sums": {labels[0]: sum}, "sample_sizes": {"rock": 3},
            "other": {"labels": 1, "value": 4, "sum": 4, "sample_size": 1},
            "total": 2.5, "sum": 10, "sample_size": 4, "unlabelled": 0,
        })
    };
    let recorded = means(6, &["rock"]);
    assert_eq!(problem(MetricType::Aggregate, &recorded, "2", &recorded), "");
    for (given, expected) in [
        (means(9, &["rock"]), "the mean of `rock` is 3, not 2"),
        (means(6, &["jazz"]), "must have the same labels"),
    ] {
        let found = problem(MetricType::Aggregate, &recorded, "2", &given);
        assert!(found.contains(expected), "{given}: {found}");
    }
    let mut wrong = recorded.clone();
    wrong["sum"] = json!(11);
    assert!(problem(MetricType::Aggregate, &recorded, "2", &wrong).contains("which are 10 and 4"));
}
