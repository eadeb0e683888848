//! The metrics that corrections may name, and what a value of each may be.

use std::sync::Arc;

use super::{request::RequestedCorrection, rules::Rules};
use crate::{
    collect::Context,
    config::{shown, suggestion},
    metric::{DerivedMetric, MetricKey, MetricType, recorded_inputs},
    store::{DefinitionVersion, StoreError, StoredDefinition},
};

pub(super) struct Subjects {
    newest: Vec<StoredDefinition>,
    versions: Vec<DefinitionVersion>,
    derived: Arc<[DerivedMetric]>,
}

impl Subjects {
    pub async fn load(context: &Context) -> Result<Self, StoreError> {
        let store = &context.tenant.store;
        Ok(Self {
            newest: store.definitions().await?,
            versions: store.definition_versions().await?,
            derived: Arc::clone(&context.tenant.derived),
        })
    }

    /// The metric that a correction names.
    pub fn named_by(&self, correction: &RequestedCorrection) -> Result<MetricKey, String> {
        let (name, wanted) = (&correction.category, correction.metric_type);
        let called = || self.newest.iter().filter(|metric| metric.definition.category == *name);
        let is_meant =
            |metric: &&StoredDefinition| wanted.is_none_or(|wanted| metric.definition.metric_type == wanted);
        let found: Vec<_> = called().filter(is_meant).collect();
        let active = found.iter().find(|metric| metric.is_active);
        match (active, found.as_slice()) {
            (Some(metric), _) | (None, [metric]) => Ok(metric.definition.key()),
            (None, []) => {
                let types: Vec<_> = called().map(|metric| metric.definition.metric_type.name()).collect();
                Err(self.unknown(name, wanted, &types))
            }
            (None, _) => Err(format!("several metrics were called {}: name the type too", shown(name))),
        }
    }

    /// The other types of the metrics that have or had the same name.
    pub fn other_types(&self, key: &MetricKey) -> Option<String> {
        let is_other = |metric: &&StoredDefinition| {
            metric.definition.category == key.category && metric.definition.metric_type != key.metric_type
        };
        let types: Vec<_> =
            self.newest.iter().filter(is_other).map(|metric| metric.definition.metric_type.name()).collect();
        (!types.is_empty()).then(|| types.join(" or "))
    }

    /// The message where no metric has the name, or where none with the name has the type `wanted`; `types` are the types of the metrics with
    /// the name.
    fn unknown(&self, name: &str, wanted: Option<MetricType>, types: &[&str]) -> String {
        if let (Some(wanted), [_, ..]) = (wanted, types) {
            let right = types.join(" or ");
            return format!("{} has the type {right}, not {wanted}: name that, or no type", shown(name));
        }
        if self.derived.iter().any(|derived| derived.key.category == name) {
            let inputs: Vec<_> = recorded_inputs(&self.derived, name).into_iter().map(shown).collect();
            return format!(
                "{} is a derived metric: it is computed when it is read, and has no records; correct what it is computed from: {}",
                shown(name),
                inputs.join(", ")
            );
        }
        let names = self.newest.iter().map(|metric| metric.definition.category.as_str());
        let hint = suggestion(name, names).map_or_else(String::new, |hint| format!("; {hint}"));
        format!("no metric is called {}{hint}", shown(name))
    }

    /// The rules for values that this version of the metric's definition made.
    pub fn rules(&self, key: &MetricKey, version: i32) -> Rules {
        let is_it = |known: &&DefinitionVersion| known.key == *key && known.version == version;
        let of_version = self.versions.iter().find(is_it).map(|known| &known.definition);
        let newest = || self.newest.iter().map(|metric| &metric.definition).find(|known| known.key() == *key);
        of_version.or_else(newest).map_or_else(|| Rules::unknown(key.metric_type), Rules::of)
    }
}
