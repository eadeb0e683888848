//! Redaction: a label that must be forgotten is replaced by a placeholder. Everything else stays as it is, the order of the labels
//! included. Where a row of the platform has the placeholder as its label, the numbers of both are added up.

use serde_json::{Map, Value, map::Entry};

use super::Decimal;

/// How a placeholder begins. 16 random hexadecimal digits follow, which reveal nothing about the label.
pub const PLACEHOLDER_PREFIX: &str = "redacted-";
const PLACEHOLDER_DIGITS: usize = 16;

/// The members of the metadata of a breakdown whose keys are labels.
const LABEL_PARTS: [&str; 3] = ["breakdown", "sums", "sample_sizes"];
/// A member of the metadata of early records: the largest labels, as objects that have the label as `key` or `label`.
const TOP_ITEMS: &str = "top_items";
const TOP_ITEM_LABELS: [&str; 2] = ["key", "label"];

/// Whether a text has the form of a placeholder.
pub fn is_placeholder(text: &str) -> bool {
    let digits = text.strip_prefix(PLACEHOLDER_PREFIX).unwrap_or_default();
    digits.len() == PLACEHOLDER_DIGITS && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The placeholder of these random bits.
pub fn placeholder(random: u64) -> String {
    format!("{PLACEHOLDER_PREFIX}{random:016x}")
}

/// Whether metadata name labels.
pub fn has_labels(metadata: &Map<String, Value>) -> bool {
    LABEL_PARTS.into_iter().chain([TOP_ITEMS]).any(|part| metadata.contains_key(part))
}

/// Whether metadata name this label.
pub fn has_label(metadata: &Map<String, Value>, label: &str) -> bool {
    LABEL_PARTS.into_iter().any(|part| metadata.get(part).is_some_and(|labels| labels.get(label).is_some()))
}

/// The names that Daymark gives to members of metadata. They are not labels.
const MEMBERS: [&str; 19] = [
    "breakdown",
    "sums",
    "sample_sizes",
    TOP_ITEMS,
    "other",
    "labels",
    "value",
    "total",
    "unlabelled",
    "sum",
    "sample_size",
    "std_deviation",
    "numerator",
    "denominator",
    "calculation",
    "out_of_range",
    "min",
    "max",
    "incomplete",
];

/// Whether a member of metadata has this name. A label may have the same name.
pub fn is_member_name(text: &str) -> bool {
    MEMBERS.contains(&text)
}

/// The texts of metadata that are not labels. Only corrections of release 0.1.0 may have added such texts, apart from `calculation`.
pub fn texts_beside_labels(metadata: &Map<String, Value>) -> Vec<&str> {
    let mut texts = Vec::new();
    for (member, value) in metadata {
        match value {
            Value::Object(labels) if LABEL_PARTS.contains(&member.as_str()) => {
                labels.values().for_each(|value| texts_of(value, &mut texts));
            }
            Value::Array(items) if member == TOP_ITEMS => {
                let others = items.iter().filter_map(Value::as_object).flatten();
                let others = others.filter(|(member, _)| !TOP_ITEM_LABELS.contains(&member.as_str()));
                others.for_each(|(_, value)| texts_of(value, &mut texts));
            }
            value => {
                texts.extend(Some(member.as_str()).filter(|member| !is_member_name(member)));
                texts_of(value, &mut texts);
            }
        }
    }
    texts
}

/// Adds the texts of a JSON value, and the names of its members that are not [`is_member_name`].
pub fn texts_of<'a>(value: &'a Value, texts: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts_of(item, texts)),
        Value::Object(members) => {
            texts.extend(members.keys().map(String::as_str).filter(|member| !is_member_name(member)));
            members.values().for_each(|value| texts_of(value, texts));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Replaces each label of which `replacement` has one, and returns whether there was any. Numbers that get the same label by that are
/// added up; a mean is computed again from the sum and the number of its values. The largest labels of early records stay entries of
/// their own.
pub fn replace_labels(
    metadata: &mut Map<String, Value>,
    mut replacement: impl FnMut(&str) -> Option<String>,
) -> bool {
    let (mut is_changed, mut merged) = (false, Vec::new());
    for part in LABEL_PARTS {
        let Some(Value::Object(labels)) = metadata.get_mut(part) else { continue };
        let found: Vec<_> = labels.keys().map(|label| replacement(label)).collect();
        if found.iter().any(Option::is_some) {
            is_changed = true;
            let replaced = std::mem::take(labels).into_iter().zip(found);
            for ((label, number), new) in replaced {
                match labels.entry(new.unwrap_or(label)) {
                    Entry::Vacant(place) => _ = place.insert(number),
                    Entry::Occupied(mut place) => {
                        merged.push(place.key().clone());
                        add(place.get_mut(), &number);
                    }
                }
            }
        }
    }
    merged.iter().for_each(|label| compute_mean(metadata, label));
    let items = metadata.get_mut(TOP_ITEMS).and_then(Value::as_array_mut);
    for item in items.into_iter().flatten().filter_map(Value::as_object_mut) {
        for member in TOP_ITEM_LABELS {
            let Some(Value::String(label)) = item.get_mut(member) else { continue };
            if let Some(new) = replacement(label) {
                is_changed = true;
                *label = new;
            }
        }
    }
    is_changed
}

/// Adds a number exactly. What is no number adds nothing.
fn add(sum: &mut Value, number: &Value) {
    let Some(added) = decimal(number) else { return };
    *sum = decimal(sum).map_or_else(|| number.clone(), |before| (&before + &added).to_json());
}

fn decimal(value: &Value) -> Option<Decimal> {
    let Value::Number(number) = value else { return None };
    number.as_str().parse().ok()
}

/// Where the breakdown is one of means, computes the mean of a label from the sum and the number of its values.
fn compute_mean(metadata: &mut Map<String, Value>, label: &str) {
    let part = |name| metadata.get(name).and_then(|labels| labels.get(label)).and_then(decimal);
    let mean = part("sums").zip(part("sample_sizes")).map(|(sum, size)| sum.checked_div(&size));
    let place = metadata.get_mut("breakdown").and_then(|labels| labels.get_mut(label));
    if let (Some(mean), Some(place)) = (mean, place) {
        *place = mean.unwrap_or_default().to_json();
    }
}

/// A text with the placeholder in each place where it names the label as a word or words of its own; `None` where it does not.
pub fn replace_in_text(text: &str, label: &str, placeholder: &str) -> Option<String> {
    let is_word = |character: Option<char>| character.is_some_and(|one| one.is_alphanumeric() || one == '_');
    let (mut replaced, mut end, mut from) = (String::new(), 0, 0);
    while let Some(found) = text.get(from..).and_then(|rest| rest.find(label)) {
        let (start, after) = (from + found, from + found + label.len());
        let (before, rest) = (text.get(..start).unwrap_or_default(), text.get(after..).unwrap_or_default());
        let continues_a_word = is_word(before.chars().next_back()) && is_word(label.chars().next())
            || is_word(label.chars().next_back()) && is_word(rest.chars().next());
        if continues_a_word {
            from = start + label.chars().next().map_or(1, char::len_utf8);
            continue;
        }
        replaced.push_str(text.get(end..start).unwrap_or_default());
        replaced.push_str(placeholder);
        (end, from) = (after, after);
    }
    (end > 0).then(|| replaced + text.get(end..).unwrap_or_default())
}

/// As [`replace_in_text`], in each text of a JSON value. The names of members stay. Returns whether there was any.
pub fn replace_in_json(value: &mut Value, label: &str, placeholder: &str) -> bool {
    match value {
        Value::String(text) => match replace_in_text(text, label, placeholder) {
            Some(replaced) => {
                *text = replaced;
                true
            }
            None => false,
        },
        Value::Array(items) => replace_in_each(items.iter_mut(), label, placeholder),
        Value::Object(members) => replace_in_each(members.values_mut(), label, placeholder),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn replace_in_each<'a>(values: impl Iterator<Item = &'a mut Value>, label: &str, placeholder: &str) -> bool {
    let mut is_changed = false;
    for value in values {
        is_changed |= replace_in_json(value, label, placeholder);
    }
    is_changed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(text: &str) -> Option<String> {
        let mut metadata = serde_json::from_str(text).unwrap();
        let ada = |label: &str| (label == "Ada").then(|| "P".to_owned());
        replace_labels(&mut metadata, ada).then(|| serde_json::to_string(&metadata).unwrap())
    }

    #[test]
    fn only_the_label_is_replaced_and_the_order_stays() {
        let text = r#"{"breakdown":{"Bo":1.50,"Ada":2,"Adam":1},"sums":{"Ada":3},"sample_sizes":{"Ada":4},"Ada":1,"other":{"Ada":0},"total":4.50}"#;
        let expected = r#"{"breakdown":{"Bo":1.50,"P":2,"Adam":1},"sums":{"P":3},"sample_sizes":{"P":4},"Ada":1,"other":{"Ada":0},"total":4.50}"#;
        assert_eq!(replaced(text).as_deref(), Some(expected));
        let early =
            r#"{"breakdown":{},"top_items":[{"key":"Ada","value":1},{"label":"Ada"},{"key":"Bo"},"Ada",7]}"#;
        let expected =
            r#"{"breakdown":{},"top_items":[{"key":"P","value":1},{"label":"P"},{"key":"Bo"},"Ada",7]}"#;
        assert_eq!(replaced(early).as_deref(), Some(expected));
        assert_eq!(replaced(r#"{"breakdown":{"ada":1},"sums":7,"top_items":{}}"#), None);
    }

    #[test]
    fn the_numbers_of_a_label_that_is_the_placeholder_are_added_up_exactly() {
        let text = r#"{"breakdown":{"Ada":9007199254740993.50,"Bo":1,"P":2},"top_items":[{"key":"Ada","value":3},{"key":"P","value":2}]}"#;
        let expected = r#"{"breakdown":{"P":9007199254740995.5,"Bo":1},"top_items":[{"key":"P","value":3},{"key":"P","value":2}]}"#;
        assert_eq!(replaced(text).as_deref(), Some(expected));
        let means =
            r#"{"breakdown":{"P":1,"Ada":0.5},"sums":{"P":1,"Ada":1.0},"sample_sizes":{"P":1,"Ada":2}}"#;
        let expected = r#"{"breakdown":{"P":0.666666666667},"sums":{"P":2},"sample_sizes":{"P":3}}"#;
        assert_eq!(replaced(means).as_deref(), Some(expected));
        let nothing =
            r#"{"breakdown":{"P":0,"Ada":0},"sums":{"P":0,"Ada":0},"sample_sizes":{"P":0,"Ada":0}}"#;
        let expected = r#"{"breakdown":{"P":0},"sums":{"P":0},"sample_sizes":{"P":0}}"#;
        assert_eq!(replaced(nothing).as_deref(), Some(expected));
        let odd = r#"{"breakdown":{"P":"x","Ada":3}}"#;
        assert_eq!(
            replaced(odd).as_deref(),
            Some(r#"{"breakdown":{"P":3}}"#),
            "what is no number adds nothing"
        );
    }

    #[test]
    fn texts_beside_labels_are_found_and_the_names_of_members_are_none() {
        let text = r#"{"breakdown":{"Bo":1,"Cy":"of Ada"},"top_items":[{"key":"Bo","value":1,"note":"x"}],"other":{"labels":0,"value":0},
            "total":1,"unlabelled":0,"calculation":"a / b","Di":2,"why":{"Ed":["Flo",1]},"out_of_range":{"min":1}}"#;
        let metadata = serde_json::from_str(text).unwrap();
        assert_eq!(texts_beside_labels(&metadata), ["of Ada", "x", "a / b", "Di", "why", "Ed", "Flo"]);
        assert!(is_member_name("other") && !is_member_name("Bo"));
    }

    #[test]
    fn texts_name_a_label_by_whole_words() {
        let of = |text: &str, label: &str| replace_in_text(text, label, "P");
        assert_eq!(of("Ada's posts, and Ada", "Ada").as_deref(), Some("P's posts, and P"));
        assert_eq!(of("Adam, xAda, Ada_1, Ädä", "Ada"), None);
        assert_eq!(of("by Ädä Löve.", "Ädä Löve").as_deref(), Some("by P."));
        assert_eq!(of("AdaAda Ada", "Ada").as_deref(), Some("AdaAda P"));
        assert_eq!(of("(x)(x)", "(x)").as_deref(), Some("PP"), "a label may begin and end with no word");
        let mut json = serde_json::json!({"Ada": "Ada", "n": 1, "list": ["by Ada", {"x": "Adam"}]});
        assert!(replace_in_json(&mut json, "Ada", "P"));
        assert_eq!(json, serde_json::json!({"Ada": "P", "n": 1, "list": ["by P", {"x": "Adam"}]}));
        assert!(!replace_in_json(&mut json, "Ada", "P"));
    }

    #[test]
    fn placeholders_have_one_form() {
        assert!(is_placeholder(&placeholder(0)) && is_placeholder(&placeholder(u64::MAX)));
        for other in [
            "redacted-",
            "redacted-0123456789ABCDEF",
            "redacted-0123456789abcdef0",
            "Redacted-0123456789abcdef",
        ] {
            assert!(!is_placeholder(other), "{other}");
        }
    }
}
