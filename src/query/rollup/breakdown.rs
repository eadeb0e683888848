//! Breakdowns: the sum of the days for each label. Labels that were in "other" on some day stay there, because they
//! were not recorded; then the sums of the labels are incomplete and their number is a lower bound.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::rolled::{Rolled, required};
use crate::{metric::Decimal, query::values::number, store::RecordedDay};

/// The approximate limit of the labels of one bucket, in bytes: 100,000 labels of 40 characters.
pub(super) const MAX_LABEL_BYTES: usize = 16 * 1024 * 1024;
/// The approximate memory of a label beside its text, in bytes.
pub(super) const ENTRY_BYTES: usize = 128;
/// How many labels a bucket answers by name, which is as many as a record may have.
pub(super) const MAX_NAMED: usize = 1000;

#[derive(Debug, Default)]
pub(in crate::query) struct LabelSums {
    labels: BTreeMap<String, Decimal>,
    bytes: usize,
    /// Whether a day had labels that were not recorded by name. They may be those that other days name.
    has_unnamed: bool,
    other_value: Decimal,
    total: Decimal,
    unlabelled: Decimal,
    /// The most distinct labels of one day.
    on_one_day: Decimal,
}

impl LabelSums {
    pub fn add(&mut self, day: &RecordedDay) -> Result<(), String> {
        let lacks = |what: &str| format!("the record of {} lacks its `{what}`", day.date);
        let metadata = day.metadata.as_deref();
        let metadata = metadata.ok_or_else(|| format!("the record of {} has no metadata", day.date))?;
        let breakdown = metadata.get("breakdown").and_then(Value::as_object);
        for (label, count) in breakdown.ok_or_else(|| lacks("breakdown"))? {
            let count = number(count).ok_or_else(|| lacks("breakdown"))?;
            self.add_label(label, &count)?;
        }
        let other = |part: &str| metadata.get("other").and_then(|other| other.get(part)).and_then(number);
        let labels = other("labels").ok_or_else(|| lacks("other"))?;
        self.has_unnamed |= !labels.is_zero();
        self.other_value = &self.other_value + &other("value").ok_or_else(|| lacks("other"))?;
        self.total = &self.total + &required(day, "total")?;
        self.unlabelled = &self.unlabelled + &required(day, "unlabelled")?;
        self.on_one_day = std::mem::take(&mut self.on_one_day).max(day.value.clone());
        Ok(())
    }

    fn add_label(&mut self, label: &str, count: &Decimal) -> Result<(), String> {
        if let Some(sum) = self.labels.get_mut(label) {
            *sum = &*sum + count;
            return Ok(());
        }
        self.bytes += label.len() + ENTRY_BYTES;
        if self.bytes > MAX_LABEL_BYTES {
            return Err(format!(
                "its days have more than {} different labels, which is more than can be added up at once; ask for shorter intervals",
                self.labels.len()
            ));
        }
        self.labels.insert(label.to_owned(), count.clone());
        Ok(())
    }

    pub fn finish(self) -> Rolled {
        let lower_bound = self.has_unnamed;
        let distinct = Decimal::from(i64::try_from(self.labels.len()).unwrap_or(i64::MAX));
        let distinct = distinct.max(self.on_one_day.clone());
        let metadata = Some(self.metadata(&distinct, lower_bound));
        Rolled { metadata, lower_bound, ..Rolled::of(distinct) }
    }

    /// The breakdown in the shape of a record: the largest labels by name, and the sum of the others in "other". The number of labels
    /// in "other" is `distinct`, the number of labels that are known to be different, less those that are named.
    fn metadata(self, distinct: &Decimal, is_incomplete: bool) -> Map<String, Value> {
        let mut sorted: Vec<_> = self.labels.into_iter().collect();
        sorted.sort_by(|(a_label, a), (b_label, b)| b.cmp(a).then_with(|| a_label.cmp(b_label)));
        let unnamed = sorted.split_off(sorted.len().min(MAX_NAMED));
        let named = Decimal::from(i64::try_from(sorted.len()).unwrap_or(i64::MAX));
        let other_labels = distinct - &named;
        let other_value = unnamed.iter().fold(self.other_value, |sum, (_, count)| &sum + count);
        let named: Map<_, _> = sorted.into_iter().map(|(label, sum)| (label, sum.to_json())).collect();
        let mut metadata = Map::new();
        metadata.insert("breakdown".to_owned(), Value::Object(named));
        metadata.insert("other".to_owned(), json!({"labels": other_labels, "value": other_value}));
        metadata.insert("total".to_owned(), self.total.to_json());
        metadata.insert("unlabelled".to_owned(), self.unlabelled.to_json());
        metadata.insert("incomplete".to_owned(), is_incomplete.into());
        metadata
    }
}
