//! Breakdowns of averages: the mean of each label's values on all days, from their sums. As with other breakdowns, labels that were
//! in "other" on some day stay there.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    breakdown::{ENTRY_BYTES, MAX_LABEL_BYTES, MAX_NAMED},
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
    labels: BTreeMap<String, Sample>,
    bytes: usize,
    /// Whether a day had labels that were not recorded by name. They may be those that other days name.
    has_unnamed: bool,
    other: Sample,
    all: Sample,
    unlabelled: Decimal,
    /// The most distinct labels of one day.
    on_one_day: Decimal,
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
            self.add_label(label, &Sample { sum, size })?;
        }
        let other = |part: &str| {
            let number = metadata.get("other").and_then(|other| other.get(part)).and_then(number);
            number.ok_or_else(|| lacks("other"))
        };
        self.has_unnamed |= !other("labels")?.is_zero();
        self.other.add(&Sample { sum: other("sum")?, size: other("sample_size")? });
        self.all.add(&Sample { sum: required(day, "sum")?, size: required(day, "sample_size")? });
        self.unlabelled = &self.unlabelled + &required(day, "unlabelled")?;
        self.on_one_day = std::mem::take(&mut self.on_one_day).max(day.value.clone());
        Ok(())
    }

    fn add_label(&mut self, label: &str, sample: &Sample) -> Result<(), String> {
        if !self.labels.contains_key(label) {
            self.bytes += label.len() + ENTRY_BYTES;
            if self.bytes > MAX_LABEL_BYTES {
                return Err(format!(
                    "its days have more than {} different labels, which is more than can be added up at once; ask for shorter \
                     intervals",
                    self.labels.len()
                ));
            }
        }
        self.labels.entry(label.to_owned()).or_default().add(sample);
        Ok(())
    }

    pub fn finish(self) -> Rolled {
        let lower_bound = self.has_unnamed;
        let distinct = Decimal::from(i64::try_from(self.labels.len()).unwrap_or(i64::MAX));
        let distinct = distinct.max(self.on_one_day.clone());
        let metadata = Some(self.metadata(&distinct, lower_bound));
        Rolled { metadata, lower_bound, ..Rolled::of(distinct) }
    }

    /// In the shape of a record: the labels with the most values by name, and the others together. Their number of labels is
    /// `distinct`, the number of labels that are known to be different, less those that are named.
    fn metadata(self, distinct: &Decimal, is_incomplete: bool) -> Map<String, Value> {
        let mut sorted: Vec<_> = self.labels.into_iter().collect();
        sorted.sort_by(|(a_label, a), (b_label, b)| b.size.cmp(&a.size).then_with(|| a_label.cmp(b_label)));
        let unnamed = sorted.split_off(sorted.len().min(MAX_NAMED));
        let named = Decimal::from(i64::try_from(sorted.len()).unwrap_or(i64::MAX));
        let mut other = self.other;
        unnamed.iter().for_each(|(_, sample)| other.add(sample));
        let each = |value: fn(&Sample) -> Decimal| {
            Value::Object(
                sorted.iter().map(|(label, sample)| (label.clone(), value(sample).to_json())).collect(),
            )
        };
        let mut metadata = Map::new();
        metadata.insert("breakdown".to_owned(), each(Sample::mean));
        metadata.insert("sums".to_owned(), each(|sample| sample.sum.clone()));
        metadata.insert("sample_sizes".to_owned(), each(|sample| sample.size.clone()));
        let labels = distinct - &named;
        metadata.insert(
            "other".to_owned(),
            json!({"labels": labels, "value": other.mean(), "sum": other.sum, "sample_size": other.size}),
        );
        metadata.insert("total".to_owned(), self.all.mean().to_json());
        metadata.insert("sum".to_owned(), self.all.sum.to_json());
        metadata.insert("sample_size".to_owned(), self.all.size.to_json());
        metadata.insert("unlabelled".to_owned(), self.unlabelled.to_json());
        metadata.insert("incomplete".to_owned(), is_incomplete.into());
        metadata
    }
}
