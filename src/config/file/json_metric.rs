//! Reads a metric that is declared in JSON. It has the keys of a `[metrics.…]` section and is read by the same code,
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

/// Reads the declaration of the metric `category`. Returns the valid parts and all problems.
pub fn read_json_metric(category: &str, body: &Map<String, Json>) -> (MetricDeclaration, Vec<Finding>) {
    let mut problems = Vec::new();
    let table = table(body, "", &mut problems);
    let reader = DocumentReader::by_paths();
    let declaration = read_metric(category, reader.root(&table));
    problems.extend(reader.into_problems());
    (declaration, problems)
}

/// Returns the keys that are allowed in each object of `body`, by the object's path.
#[cfg(test)]
pub fn known_keys(body: &Map<String, Json>) -> BTreeMap<String, BTreeSet<String>> {
    let table = table(body, "", &mut Vec::new());
    let reader = DocumentReader::by_paths();
    read_metric("metric", reader.root(&table));
    reader.known.into_inner()
}

/// Converts an object to a TOML table. The keys are sorted, because JSON objects have no order and equal objects must
/// give equal declarations.
fn table(object: &Map<String, Json>, path: &str, problems: &mut Vec<Finding>) -> InlineTable {
    let mut members: Vec<_> = object.iter().collect();
    members.sort_unstable_by_key(|(key, _)| *key);
    members
        .into_iter()
        .filter_map(|(key, json)| Some((key.as_str(), value(json, &joined(path, key), problems)?)))
        .collect()
}

/// Converts a JSON value to a TOML value; `None` for a value that TOML cannot represent, which is reported as a
/// problem.
fn value(json: &Json, path: &str, problems: &mut Vec<Finding>) -> Option<Value> {
    let wrong = |message| Some(Finding::error(path, message));
    let problem = match json {
        Json::Null => wrong("null is not allowed").map(|problem| problem.hint("leave out the key")),
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

/// Converts a JSON number to a TOML number and keeps its digits. TOML has integers of 64 bits and decimals.
fn number(digits: &Number) -> Option<Value> {
    let text = digits.to_string();
    text.parse().ok().or_else(|| format!("{text}.0").parse().ok())
}
