//! Breakdowns of averages: the mean of each label's values on all days, from their sums. As with other breakdowns, labels that were
//! in "other" on some day stay there.

use serde_json::{Map, Value, json};

use super::{
    known_labels::KnownLabels,
    rolled::{Rolled, required},
};
use crate::{metric::Decimal, query::values::number, store::RecordedDay};

/// A sum of values, and their number.
#[derive(Debug, Clone, Default)]
struct Sample {
    sum: Decimal,
    size: Decimal,
}

impl Sample {
    fn add(&mut self, other: &Self) {
        self.sum = &self.sum + &other.sum;
        self.size = &self.size + &other.size;
    }

    /// 0 of no values.
    fn mean(&self) -> Decimal {
        self.sum.checked_div(&self.size).unwrap_or_default()
    }
}

#[derive(Debug, Default)]
pub(in crate::query) struct LabelMeans {
    labels: KnownLabels<Sample>,
    other: Sample,
    all: Sample,
    unlabelled: Decimal,
}

impl LabelMeans {
    pub fn add(&mut self, day: &RecordedDay) -> Result<(), String> {
        let lacks = |what: &str| format!("the record of {} lacks its `{what}`", day.date);
        let metadata = day.metadata.as_deref();
        let metadata = metadata.ok_or_else(|| format!("the record of {} has no metadata", day.date))?;
        let sizes = metadata.get("sample_sizes").ok_or_else(|| lacks("sample_sizes"))?;
        let sums = metadata.get("sums").and_then(Value::as_object).ok_or_else(|| lacks("sums"))?;
        for (label, sum) in sums {
            let size = sizes.get(label).and_then(number).ok_or_else(|| lacks("sample_sizes"))?;
            let sum = number(sum).ok_or_else(|| lacks("sums"))?;
            self.labels.add(label, |sample| sample.add(&Sample { sum, size }))?;
        }
        let other = |part: &str| {
            let number = metadata.get("other").and_then(|other| other.get(part)).and_then(number);
            number.ok_or_else(|| lacks("other"))
        };
        self.labels.add_numbers(&day.value, &other("labels")?);
        self.other.add(&Sample { sum: other("sum")?, size: other("sample_size")? });
        self.all.add(&Sample { sum: required(day, "sum")?, size: required(day, "sample_size")? });
        self.unlabelled = &self.unlabelled + &required(day, "unlabelled")?;
        Ok(())
    }

    /// In the shape of a record: the labels with the most values by name, and the others together.
    pub fn finish(self) -> Rolled {
        let labels = self.labels.ranked(|sample| &sample.size);
        let mut other = self.other;
        labels.unnamed.iter().for_each(|(_, sample)| other.add(sample));
        let each = |value: fn(&Sample) -> Decimal| {
            let named = labels.named.iter().map(|(label, sample)| (label.clone(), value(sample).to_json()));
            Value::Object(named.collect())
        };
        let mut metadata = Map::new();
        metadata.insert("breakdown".to_owned(), each(Sample::mean));
        metadata.insert("sums".to_owned(), each(|sample| sample.sum.clone()));
        metadata.insert("sample_sizes".to_owned(), each(|sample| sample.size.clone()));
        metadata.insert(
            "other".to_owned(),
            json!({"labels": labels.others, "value": other.mean(), "sum": other.sum, "sample_size": other.size}),
        );
        metadata.insert("total".to_owned(), self.all.mean().to_json());
        metadata.insert("sum".to_owned(), self.all.sum.to_json());
        metadata.insert("sample_size".to_owned(), self.all.size.to_json());
        metadata.insert("unlabelled".to_owned(), self.unlabelled.to_json());
        labels.rolled(metadata)
    }
}
