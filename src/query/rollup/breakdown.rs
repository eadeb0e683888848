//! Breakdowns: label by label the sum of the days. What was in "other" on some day stays there, because nobody knows
//! whose it was: the sums of the labels are lower bounds then, and so is their number.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    Rolled,
    parts::{metadata, number, required, sum},
};
use crate::{metric::Decimal, store::RecordedDay};

pub(super) fn merge(days: &[RecordedDay]) -> Result<Rolled, String> {
    let mut labels = BTreeMap::<&str, Decimal>::new();
    let (mut other_labels, mut other_value) = (Decimal::zero(), Decimal::zero());
    for day in days {
        let lacks = |what: &str| format!("the record of {} lacks its `{what}`", day.date);
        let metadata = metadata(day)?;
        let breakdown = metadata.get("breakdown").and_then(Value::as_object);
        for (label, count) in breakdown.ok_or_else(|| lacks("breakdown"))? {
            let count = number(count).ok_or_else(|| lacks("breakdown"))?;
            let sum = labels.entry(label).or_default();
            *sum = &*sum + &count;
        }
        let other = |part: &str| metadata.get("other").and_then(|other| other.get(part)).and_then(number);
        other_labels = other_labels.max(other("labels").ok_or_else(|| lacks("other"))?);
        other_value = &other_value + &other("value").ok_or_else(|| lacks("other"))?;
    }
    let all = |name| {
        Ok::<_, String>(sum(&days.iter().map(|day| required(day, name)).collect::<Result<Vec<_>, _>>()?))
    };
    let (total, unlabelled) = (all("total")?, all("unlabelled")?);
    let lower_bound = !other_labels.is_zero();
    let on_one_day = days.iter().map(|day| day.value.clone()).max().unwrap_or_default();
    let distinct = Decimal::from(i64::try_from(labels.len()).unwrap_or(i64::MAX)).max(on_one_day);
    let metadata = merged(&labels, (&other_labels, &other_value), (&total, &unlabelled), lower_bound);
    Ok(Rolled { metadata: Some(Box::new(metadata)), lower_bound, ..Rolled::of(distinct) })
}

/// In the shape that records have.
fn merged(
    labels: &BTreeMap<&str, Decimal>,
    other: (&Decimal, &Decimal),
    (total, unlabelled): (&Decimal, &Decimal),
    lower_bounds: bool,
) -> Map<String, Value> {
    let mut sorted: Vec<_> = labels.iter().collect();
    sorted.sort_by(|(a_label, a), (b_label, b)| b.cmp(a).then_with(|| a_label.cmp(b_label)));
    let named: Map<_, _> = sorted.iter().map(|(label, sum)| ((**label).to_owned(), sum.to_json())).collect();
    let items: Vec<_> = sorted.iter().map(|(label, sum)| json!({"key": label, "value": sum})).collect();
    let mut metadata = Map::new();
    metadata.insert("breakdown".to_owned(), Value::Object(named));
    metadata.insert("top_items".to_owned(), Value::Array(items));
    metadata.insert("other".to_owned(), json!({"labels": other.0, "value": other.1}));
    metadata.insert("total".to_owned(), total.to_json());
    metadata.insert("unlabelled".to_owned(), unlabelled.to_json());
    metadata.insert("lower_bounds".to_owned(), lower_bounds.into());
    metadata
}
