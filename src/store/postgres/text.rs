//! Text that PostgreSQL can hold. Its TEXT and JSONB have no U+0000, which a label of an SQLite platform may well
//! contain; one such label must not keep a whole day from being recorded.

use serde_json::{Map, Value};

/// The character that replaces U+0000: U+FFFD, the replacement character.
const REPLACEMENT: &str = "\u{FFFD}";

pub(super) fn storable(text: &str) -> String {
    text.replace('\0', REPLACEMENT)
}

pub(super) fn storable_object(object: &Map<String, Value>) -> Value {
    Value::Object(object.iter().map(|(key, value)| (storable(key), storable_value(value))).collect())
}

pub(super) fn storable_value(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(storable(text)),
        Value::Array(values) => values.iter().map(storable_value).collect(),
        Value::Object(object) => storable_object(object),
        other => other.clone(),
    }
}
