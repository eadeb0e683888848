//! The catalogue of metrics: the current definition of each, and how the values of each version roll up.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;

use super::rollup::RollUp;
use crate::{
    metric::{Definition, DerivedMetric, MetricKey},
    store::{DefinitionVersion, Store, StoreError, StoredDefinition},
};

/// Every metric of the store, active or not, by category and type.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    metrics: Vec<CatalogueMetric>,
    /// Metrics that are computed when they are read. None has the name of a metric that was ever recorded.
    derived: Arc<[DerivedMetric]>,
}

#[derive(Debug, Clone)]
pub struct CatalogueMetric {
    pub key: MetricKey,
    pub stored: StoredDefinition,
    versions: BTreeMap<i32, KnownVersion>,
    /// Whether a version that is not in `versions` does not exist.
    has_all_versions: bool,
}

/// A version of a definition: when it was made and how its values roll up.
#[derive(Debug, Clone, Copy)]
pub struct KnownVersion {
    pub roll_up: RollUp,
    /// When it was made; `None` of one that was made while the definitions were read.
    pub created_at: Option<Timestamp>,
}

impl Catalogue {
    pub fn new(definitions: Vec<StoredDefinition>, versions: &[DefinitionVersion]) -> Self {
        let mut known = BTreeMap::<&MetricKey, BTreeMap<i32, KnownVersion>>::new();
        for version in versions {
            let (roll_up, created_at) = (RollUp::of(&version.definition), Some(version.created_at));
            known
                .entry(&version.key)
                .or_default()
                .insert(version.version, KnownVersion { roll_up, created_at });
        }
        let metric = |stored: StoredDefinition| {
            let key = stored.definition.key();
            let mut versions = known.remove(&key).unwrap_or_default();
            let current = KnownVersion { roll_up: RollUp::of(&stored.definition), created_at: None };
            versions.entry(stored.version).or_insert(current);
            CatalogueMetric { key, stored, versions, has_all_versions: false }
        };
        let mut metrics: Vec<_> = definitions.into_iter().map(metric).collect();
        metrics.sort_by(|a, b| order(&a.key, &b.key));
        Self { metrics, derived: Arc::default() }
    }

    /// Reads the definitions from the store.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn load(store: &dyn Store) -> Result<Self, StoreError> {
        Ok(Self::new(store.definitions().await?, &store.definition_versions().await?))
    }

    /// The same catalogue, after it was read again because a record names a version that it lacks. If it still lacks
    /// the version, that version does not exist, and only the values that need it are refused.
    pub fn with_all_versions(mut self) -> Self {
        self.metrics.iter_mut().for_each(|metric| metric.has_all_versions = true);
        self
    }

    /// The metrics with the definitions that they had at `instant`; one that was defined later with its first, as its days are gaps
    /// with that cause. Whether a metric was active is not kept, so it is as now. All versions are known, because values name them.
    pub fn as_of(&self, versions: Vec<DefinitionVersion>, instant: Timestamp) -> Self {
        // The newest that was known, or else the first.
        let place = |version: &DefinitionVersion| match version.created_at <= instant {
            true => (1, version.version),
            false => (0, -version.version),
        };
        let mut then = BTreeMap::<MetricKey, DefinitionVersion>::new();
        for version in versions {
            if then.get(&version.key).is_none_or(|known| place(known) < place(&version)) {
                then.insert(version.key.clone(), version);
            }
        }
        let at_that_time = |metric: &CatalogueMetric| match then.remove(&metric.key) {
            Some(DefinitionVersion { version, definition, .. }) => {
                let stored = StoredDefinition { definition, version, ..metric.stored.clone() };
                CatalogueMetric { stored, ..metric.clone() }
            }
            None => metric.clone(),
        };
        Self { metrics: self.metrics.iter().map(at_that_time).collect(), derived: Arc::clone(&self.derived) }
    }

    /// The same catalogue with derived metrics. One with the name of a metric of the store is left out, so that no record is
    /// hidden by it.
    pub fn with_derived(mut self, derived: &Arc<[DerivedMetric]>) -> Self {
        let is_stored = |derived: &DerivedMetric| {
            self.metrics.iter().any(|metric| metric.key.category == derived.key.category)
        };
        let mut shown: Vec<_> = derived.iter().filter(|derived| !is_stored(derived)).cloned().collect();
        // What is left out may have been the input of another one.
        loop {
            let names: BTreeSet<_> = shown.iter().map(|derived| derived.key.category.clone()).collect();
            let is_known = |name: &String| {
                names.contains(name) || self.metrics.iter().any(|metric| metric.key.category == *name)
            };
            shown.retain(|derived| !derived.is_optional || derived.derivation.inputs().iter().all(is_known));
            if shown.len() == names.len() {
                break;
            }
        }
        self.derived = if shown.len() == derived.len() { Arc::clone(derived) } else { shown.into() };
        self
    }

    pub fn derived(&self) -> &Arc<[DerivedMetric]> {
        &self.derived
    }

    pub fn derived_metric(&self, key: &MetricKey) -> Option<&DerivedMetric> {
        self.derived.iter().find(|derived| derived.key == *key)
    }

    /// The metric of that name: the derived one, or the active one of those of the store, or else the one that is not active.
    pub(super) fn key_of(&self, category: &str) -> Option<MetricKey> {
        let derived = self.derived.iter().map(|derived| &derived.key).find(|key| key.category == category);
        let stored = self.metrics.iter().filter(|metric| metric.key.category == category);
        derived.or(stored.max_by_key(|metric| metric.stored.is_active).map(|metric| &metric.key)).cloned()
    }

    pub fn metrics(&self) -> &[CatalogueMetric] {
        &self.metrics
    }

    pub fn get(&self, key: &MetricKey) -> Option<&CatalogueMetric> {
        let place = self.metrics.binary_search_by(|metric| order(&metric.key, key)).ok()?;
        self.metrics.get(place)
    }
}

impl CatalogueMetric {
    pub fn definition(&self) -> &Definition {
        &self.stored.definition
    }

    /// How values of this version of the definition roll up; `None` for a version that the catalogue does not know.
    pub fn roll_up(&self, version: i32) -> Option<RollUp> {
        self.versions.get(&version).map(|version| version.roll_up)
    }

    pub(super) fn has_all_versions(&self) -> bool {
        self.has_all_versions
    }

    /// How values of the current version roll up.
    pub fn current_roll_up(&self) -> RollUp {
        RollUp::of(&self.stored.definition)
    }

    /// Its versions, by number.
    pub fn versions(&self) -> &BTreeMap<i32, KnownVersion> {
        &self.versions
    }

    /// Whether no version of the metric rolls up.
    pub(super) fn never_rolls_up(&self) -> bool {
        self.versions.values().all(|version| version.roll_up == RollUp::Never)
    }

    /// Whether values of some version roll up with the help of their metadata.
    pub(super) fn needs_metadata(&self) -> bool {
        self.versions.values().any(|version| version.roll_up.needs_metadata())
    }
}

/// The order of series in every answer: by category, then by the name of the type.
pub(super) fn order(a: &MetricKey, b: &MetricKey) -> Ordering {
    (a.category.as_str(), a.metric_type.name()).cmp(&(b.category.as_str(), b.metric_type.name()))
}
