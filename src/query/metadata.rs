//! The metadata of a point, as they are answered.

use serde::{Serialize, Serializer, ser::Error};
use serde_json::{Map, Value, json};

use super::values::number;
use crate::metric::Decimal;

/// A JSON object as text, which takes a fifth of the memory of the parsed object. Its length is its size in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataText(Box<str>);

impl MetadataText {
    /// With `top_items`, the labels of `breakdown` from the largest to the smallest, which records do not hold.
    pub(super) fn of(mut metadata: Map<String, Value>) -> Self {
        if let Some(items) = top_items(&metadata) {
            metadata.insert("top_items".to_owned(), items);
        }
        // A map of JSON values is always JSON.
        Self(serde_json::to_string(&metadata).unwrap_or_default().into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, parsed.
    pub fn object(&self) -> Map<String, Value> {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

impl Serialize for MetadataText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::from_str::<Map<String, Value>>(&self.0).map_err(S::Error::custom)?.serialize(serializer)
    }
}

/// `None` where there is no breakdown, or where the record holds its `top_items`, as early ones do.
fn top_items(metadata: &Map<String, Value>) -> Option<Value> {
    if metadata.contains_key("top_items") {
        return None;
    }
    let labels = sorted_labels(metadata)?;
    Some(labels.into_iter().map(|(label, value)| json!({"key": label, "value": value})).collect())
}

/// The labels of a breakdown from the largest to the smallest, those of the same value by name.
pub(super) fn sorted_labels(metadata: &Map<String, Value>) -> Option<Vec<(&str, Decimal)>> {
    let labels = metadata.get("breakdown")?.as_object()?;
    let mut labels: Vec<_> =
        labels.iter().filter_map(|(label, value)| Some((label.as_str(), number(value)?))).collect();
    labels.sort_by(|(a_label, a), (b_label, b)| b.cmp(a).then_with(|| a_label.cmp(b_label)));
    Some(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_labels_come_first_and_recorded_ones_stay() {
        let of = |text: &str| MetadataText::of(serde_json::from_str(text).unwrap());
        let derived = of(r#"{"breakdown":{"b":1,"a":1,"c":2.50},"total":4.5}"#);
        assert_eq!(
            derived.as_str(),
            r#"{"breakdown":{"b":1,"a":1,"c":2.50},"total":4.5,"top_items":[{"key":"c","value":2.50},{"key":"a","value":1},{"key":"b","value":1}]}"#
        );
        let early = r#"{"breakdown":{"b":1},"top_items":[]}"#;
        assert_eq!(of(early).as_str(), early);
        assert_eq!(serde_json::to_string(&derived).unwrap(), derived.as_str());
    }
}
