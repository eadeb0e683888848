//! Breakdowns: the sum of the days for each label. Labels that were in "other" on some day stay there, because they
//! were not recorded; then the sums of the labels are incomplete and their number is a lower bound.

use serde_json::{Map, Value, json};

use super::{
    known_labels::KnownLabels,
    rolled::{Rolled, required},
};
use crate::{metric::Decimal, query::values::number, store::RecordedDay};

#[derive(Debug, Default)]
pub(in crate::query) struct LabelSums {
    labels: KnownLabels<Decimal>,
    other_value: Decimal,
    total: Decimal,
    unlabelled: Decimal,
}

impl LabelSums {
    pub fn add(&mut self, day: &RecordedDay) -> Result<(), String> {
        let lacks = |what: &str| format!("the record of {} lacks its `{what}`", day.date);
        let metadata = day.metadata.as_deref();
        let metadata = metadata.ok_or_else(|| format!("the record of {} has no metadata", day.date))?;
        let breakdown = metadata.get("breakdown").and_then(Value::as_object);
        for (label, count) in breakdown.ok_or_else(|| lacks("breakdown"))? {
            let count = number(count).ok_or_else(|| lacks("breakdown"))?;
            self.labels.add(label, |sum| *sum = &*sum + &count)?;
        }
        let other = |part: &str| metadata.get("other").and_then(|other| other.get(part)).and_then(number);
        let labels = other("labels").ok_or_else(|| lacks("other"))?;
        self.labels.add_numbers(&day.value, &labels);
        self.other_value = &self.other_value + &other("value").ok_or_else(|| lacks("other"))?;
        self.total = &self.total + &required(day, "total")?;
        self.unlabelled = &self.unlabelled + &required(day, "unlabelled")?;
        Ok(())
    }

    /// The breakdown in the shape of a record: the largest labels by name, and the sum of the others in "other".
    pub fn finish(self) -> Rolled {
        let labels = self.labels.ranked(|sum| sum);
        let other = labels.unnamed.iter().fold(self.other_value, |sum, (_, count)| &sum + count);
        let named: Map<_, _> =
            labels.named.iter().map(|(label, sum)| (label.clone(), sum.to_json())).collect();
        let mut metadata = Map::new();
        metadata.insert("breakdown".to_owned(), Value::Object(named));
        metadata.insert("other".to_owned(), json!({"labels": labels.others, "value": other}));
        metadata.insert("total".to_owned(), self.total.to_json());
        metadata.insert("unlabelled".to_owned(), self.unlabelled.to_json());
        labels.rolled(metadata)
    }
}
