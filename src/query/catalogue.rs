//! What is known about the metrics: the current definition of each, and how the values of each version roll up.

use std::{cmp::Ordering, collections::BTreeMap};

use super::RollUp;
use crate::{
    metric::{Definition, MetricKey},
    store::{DefinitionVersion, Store, StoreError, StoredDefinition},
};

/// Every metric of the store, active or not, by category and type.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    metrics: Vec<Metric>,
}

#[derive(Debug, Clone)]
pub struct Metric {
    pub key: MetricKey,
    pub stored: StoredDefinition,
    roll_ups: BTreeMap<i32, RollUp>,
}

impl Catalogue {
    pub fn new(definitions: Vec<StoredDefinition>, versions: &[DefinitionVersion]) -> Self {
        let mut roll_ups = BTreeMap::<&MetricKey, BTreeMap<i32, RollUp>>::new();
        for version in versions {
            let roll_up = RollUp::of(&version.definition);
            roll_ups.entry(&version.key).or_default().insert(version.version, roll_up);
        }
        let metric = |stored: StoredDefinition| {
            let key = stored.definition.key();
            let mut roll_ups = roll_ups.remove(&key).unwrap_or_default();
            roll_ups.insert(stored.version, RollUp::of(&stored.definition));
            Metric { key, stored, roll_ups }
        };
        let mut metrics: Vec<_> = definitions.into_iter().map(metric).collect();
        metrics.sort_by(|a, b| order(&a.key, &b.key));
        Self { metrics }
    }

    /// What the store holds now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn load(store: &dyn Store) -> Result<Self, StoreError> {
        Ok(Self::new(store.definitions().await?, &store.definition_versions().await?))
    }

    pub fn metrics(&self) -> &[Metric] {
        &self.metrics
    }

    pub fn get(&self, key: &MetricKey) -> Option<&Metric> {
        let place = self.metrics.binary_search_by(|metric| order(&metric.key, key)).ok()?;
        self.metrics.get(place)
    }
}

impl Metric {
    pub fn definition(&self) -> &Definition {
        &self.stored.definition
    }

    /// How values of this version of the definition roll up; `None` for a version that the catalogue does not know.
    pub fn roll_up(&self, version: i32) -> Option<RollUp> {
        self.roll_ups.get(&version).copied()
    }

    /// How values of the current version roll up.
    pub fn current_roll_up(&self) -> RollUp {
        RollUp::of(&self.stored.definition)
    }

    /// Whether no version of the metric rolls up.
    pub(super) fn never_rolls_up(&self) -> bool {
        self.roll_ups.values().all(|roll_up| *roll_up == RollUp::Never)
    }

    /// Whether values of some version roll up with the help of their metadata.
    pub(super) fn needs_metadata(&self) -> bool {
        self.roll_ups.values().any(|roll_up| roll_up.needs_metadata())
    }
}

/// The order of series in every answer: by category, then by the name of the type.
pub(super) fn order(a: &MetricKey, b: &MetricKey) -> Ordering {
    (a.category.as_str(), a.metric_type.name()).cmp(&(b.category.as_str(), b.metric_type.name()))
}
