//! Reads a metric that is declared in JSON: the keys are those of a `[metrics.…]` section and are read by the same code,
//! which reports problems with their path instead of a line.

#[cfg(test)]
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Number, Value as Json};
use toml_edit::{Array, InlineTable, Value};

use crate::config::{
    file::{
        declaration::MetricDeclaration,
        document::{DocumentReader, joined},
        metric_section::read_metric,
    },
    finding::Finding,
};

/// The declaration of the metric `category`, as far as it can be read, and everything that is wrong with it.
pub fn read_json_metric(category: &str, body: &Map<String, Json>) -> (MetricDeclaration, Vec<Finding>) {
    let mut problems = Vec::new();
    let table = table(body, "", &mut problems);
    let reader = DocumentReader::by_paths();
    let declaration = read_metric(category, reader.root(&table));
    problems.extend(reader.into_problems());
    (declaration, problems)
}

/// The keys that are allowed in each object of `body`, by the object's path.
#[cfg(test)]
pub fn known_keys(body: &Map<String, Json>) -> BTreeMap<String, BTreeSet<String>> {
    let table = table(body, "", &mut Vec::new());
    let reader = DocumentReader::by_paths();
    read_metric("metric", reader.root(&table));
    reader.known.into_inner()
}

/// With its keys in the order of the alphabet: JSON has none, and the same object is to be the same declaration.
fn table(object: &Map<String, Json>, path: &str, problems: &mut Vec<Finding>) -> InlineTable {
    let mut members: Vec<_> = object.iter().collect();
    members.sort_unstable_by_key(|(key, _)| *key);
    members
        .into_iter()
        .filter_map(|(key, json)| Some((key.as_str(), value(json, &joined(path, key), problems)?)))
        .collect()
}

/// `None` for what a TOML document cannot say either, which is then a problem.
fn value(json: &Json, path: &str, problems: &mut Vec<Finding>) -> Option<Value> {
    let wrong = |message| Some(Finding::error(path, message));
    let problem = match json {
        Json::Null => wrong("null says nothing").map(|problem| problem.hint("leave it out")),
        Json::Bool(flag) => return Some(Value::from(*flag)),
        Json::String(text) => return Some(Value::from(text.as_str())),
        Json::Number(digits) => match number(digits) {
            Some(number) => return Some(number),
            None => wrong("the number is too large"),
        },
        Json::Array(items) => {
            let items = items.iter().filter_map(|item| value(item, path, problems));
            return Some(Value::Array(items.collect::<Array>()));
        }
        Json::Object(object) => return Some(Value::InlineTable(table(object, path, problems))),
    };
    problems.extend(problem);
    None
}

/// A number of JSON is written as one of TOML, which has decimals and integers of 64 bits; its digits stay.
fn number(digits: &Number) -> Option<Value> {
    let text = digits.to_string();
    text.parse().ok().or_else(|| format!("{text}.0").parse().ok())
}
