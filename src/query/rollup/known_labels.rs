//! The labels that the records of a bucket's days name, each with what is added up of it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::rolled::Rolled;
use crate::metric::Decimal;

/// The approximate limit of the labels of one bucket, in bytes: 100,000 labels of 40 characters.
const MAX_LABEL_BYTES: usize = 16 * 1024 * 1024;
/// The approximate memory of a label beside its text, in bytes.
const ENTRY_BYTES: usize = 128;
/// How many labels a bucket answers by name, which is as many as a record may have.
const MAX_NAMED: usize = 1000;

#[derive(Debug, Default)]
pub(super) struct KnownLabels<V> {
    by_name: BTreeMap<String, V>,
    bytes: usize,
    /// Whether a day had labels that were not recorded by name. They may be those that other days name.
    has_unnamed: bool,
    /// The most distinct labels of one day.
    on_one_day: Decimal,
}

impl<V: Default> KnownLabels<V> {
    /// # Errors
    /// When the labels reach their limit.
    pub fn add(&mut self, label: &str, add: impl FnOnce(&mut V)) -> Result<(), String> {
        if let Some(value) = self.by_name.get_mut(label) {
            add(value);
            return Ok(());
        }
        self.bytes += label.len() + ENTRY_BYTES;
        if self.bytes > MAX_LABEL_BYTES {
            return Err(format!(
                "its days have more than {} different labels, which is more than can be added up at once; ask for shorter intervals",
                self.by_name.len()
            ));
        }
        add(self.by_name.entry(label.to_owned()).or_default());
        Ok(())
    }

    /// Takes the number of a day's labels, and of those that it did not record by name.
    pub fn add_numbers(&mut self, distinct: &Decimal, unnamed: &Decimal) {
        self.has_unnamed |= !unnamed.is_zero();
        self.on_one_day = std::mem::take(&mut self.on_one_day).max(distinct.clone());
    }

    pub fn ranked(self, size: impl Fn(&V) -> &Decimal) -> RankedLabels<V> {
        let distinct = count(self.by_name.len()).max(self.on_one_day);
        let mut named: Vec<_> = self.by_name.into_iter().collect();
        named.sort_by(|(a_label, a), (b_label, b)| size(b).cmp(size(a)).then_with(|| a_label.cmp(b_label)));
        let unnamed = named.split_off(named.len().min(MAX_NAMED));
        let others = &distinct - &count(named.len());
        RankedLabels { named, unnamed, others, distinct, is_incomplete: self.has_unnamed }
    }
}

/// The labels from the largest on.
pub(super) struct RankedLabels<V> {
    pub named: Vec<(String, V)>,
    /// Those that are too many to be named.
    pub unnamed: Vec<(String, V)>,
    /// The number of labels that are known to be different, less those that are named.
    pub others: Decimal,
    distinct: Decimal,
    is_incomplete: bool,
}

impl<V> RankedLabels<V> {
    /// The number of labels that are known to be different, with the metadata of a breakdown.
    pub fn rolled(self, mut metadata: Map<String, Value>) -> Rolled {
        metadata.insert("incomplete".to_owned(), self.is_incomplete.into());
        Rolled { metadata: Some(metadata), lower_bound: self.is_incomplete, ..Rolled::of(self.distinct) }
    }
}

fn count(labels: usize) -> Decimal {
    Decimal::from(i64::try_from(labels).unwrap_or(i64::MAX))
}
