//! The document's schema of a metric agrees with the reader of daymark.toml.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use strum::IntoEnumIterator;
use utoipa::{PartialSchema, openapi::RefOr};

use super::{actors::CohortRows, filters::Comparisons, *};
use crate::config::{MeasureName, known_keys, read_json_metric};

/// The schema of each key of an object in the document.
fn properties<T: PartialSchema>() -> BTreeMap<String, Value> {
    let RefOr::T(schema) = T::schema() else { panic!("a schema of its own") };
    let schema = serde_json::to_value(schema).unwrap();
    serde_json::from_value(schema["properties"].clone()).unwrap()
}

fn keys<T: PartialSchema>() -> BTreeSet<String> {
    properties::<T>().into_keys().collect()
}

/// The keys of a metric of each measure.
fn metrics() -> Vec<(MeasureName, BTreeMap<String, Value>)> {
    vec![
        (MeasureName::Created, properties::<CreatedMetric>()),
        (MeasureName::Existing, properties::<ExistingMetric>()),
        (MeasureName::DistinctActors, properties::<DistinctActorsMetric>()),
        (MeasureName::Distinct, properties::<DistinctMetric>()),
        (MeasureName::Average, properties::<AverageMetric>()),
        (MeasureName::Sum, properties::<SumMetric>()),
        (MeasureName::Minimum, properties::<MinimumMetric>()),
        (MeasureName::Maximum, properties::<MaximumMetric>()),
        (MeasureName::Median, properties::<MedianMetric>()),
        (MeasureName::Quantile, properties::<QuantileMetric>()),
        (MeasureName::Ratio, properties::<RatioMetric>()),
        (MeasureName::Retention, properties::<RetentionMetric>()),
        (MeasureName::Growth, properties::<GrowthMetric>()),
        (MeasureName::Breakdown, properties::<BreakdownMetric>()),
        (MeasureName::Sql, properties::<SqlMetric>()),
    ]
}

#[test]
fn the_document_names_the_keys_that_are_read_and_no_others() {
    let body = json!({"expected": {}, "numerator": {}, "cohort": {}, "filter": {"score": {}}});
    let read = known_keys(body.as_object().unwrap());
    let documented = metrics().into_iter().flat_map(|(_, properties)| properties.into_keys()).collect();
    assert_eq!(read[""], documented);
    assert_eq!(read["expected"], keys::<ExpectedValues>());
    assert_eq!(read["numerator"], keys::<CountMeasure>());
    assert_eq!(read["cohort"], keys::<CohortRows>());
    assert_eq!(read["filter.score"], keys::<Comparisons>());
}

#[test]
fn the_document_gives_each_measure_the_keys_that_it_takes() {
    let metrics = metrics();
    assert_eq!(metrics.len(), MeasureName::iter().count());
    let is_common = |key: &str| metrics.iter().all(|(_, properties)| properties.contains_key(key));
    for (measure, properties) in &metrics {
        assert_eq!(properties["measure"]["enum"], json!([measure.name()]));
        // `sources` is the same key as `source` to those who read it.
        let own = properties.keys().map(String::as_str).filter(|key| !is_common(key) && *key != "sources");
        assert_eq!(own.collect::<BTreeSet<_>>(), measure.keys().iter().copied().collect(), "{measure:?}");
    }
}

#[test]
fn the_document_has_the_words_and_bounds_that_are_read() {
    let is_read = |key: &str, value: Value| {
        let (_, problems) = read_json_metric("metric", json!({key: value}).as_object().unwrap());
        problems.is_empty()
    };
    for (measure, properties) in metrics() {
        for (key, schema) in properties {
            for word in schema["enum"].as_array().into_iter().flatten() {
                assert!(is_read(&key, word.clone()), "{measure:?}: {key} = {word}");
            }
            for (bound, beyond) in [("minimum", -1), ("maximum", 1)] {
                if let Some(bound) = schema[bound].as_i64() {
                    assert!(is_read(&key, bound.into()), "{measure:?}: {key} = {bound}");
                    assert!(!is_read(&key, (bound + beyond).into()), "{measure:?}: {key} beyond {bound}");
                }
            }
        }
    }
}
