//! The definitions, as somebody who shows or asks for values needs them. How values are read from the platform is not
//! part of it: tables, columns and queries are nobody's business who only reads the record.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::{ToSchema, openapi::Object};

use super::{
    Catalogue, RollUp,
    answer::{metric_type, words},
};
use crate::{
    metric::{Exact, MetricType},
    store::{Origin, StoredDefinition},
};

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DefinitionsAnswer {
    /// By category.
    pub definitions: Vec<DefinitionEntry>,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DefinitionEntry {
    #[schema(schema_with = metric_type)]
    pub metric_type: MetricType,
    pub metric_category: String,
    pub display_name: String,
    pub description: String,
    /// `count`, `percentage`, `seconds` …
    pub unit: String,
    /// How a dashboard writes the value: `0,0`, `0.0` …
    pub format_pattern: String,
    pub is_active: bool,
    /// Whose it is: `file` of daymark.toml or the preset, `api` of whoever made it through the API, where only it can be
    /// changed.
    #[schema(schema_with = origin)]
    pub origin: &'static str,
    /// Counts from 1.
    pub version: i32,
    /// What the values of several days become.
    pub roll_up: RollUp,
    /// The values that are believable, where bounds are set.
    pub expected_min: Option<Exact>,
    pub expected_max: Option<Exact>,
    /// The IANA time zone whose days are recorded.
    pub time_zone: String,
    /// When the metric was first defined.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// Every metric, active or not.
pub fn definitions(catalogue: &Catalogue) -> DefinitionsAnswer {
    let entry = |metric: &super::Metric| definition_entry(&metric.stored);
    DefinitionsAnswer { definitions: catalogue.metrics().iter().map(entry).collect() }
}

/// One metric in its current version.
pub fn definition_entry(stored: &StoredDefinition) -> DefinitionEntry {
    let definition = &stored.definition;
    let expected = definition.expected.clone().unwrap_or_default();
    DefinitionEntry {
        metric_type: definition.metric_type,
        metric_category: definition.category.clone(),
        display_name: definition.display_name.clone(),
        description: definition.description.clone(),
        unit: definition.unit.clone(),
        format_pattern: definition.format_pattern.clone(),
        is_active: stored.is_active,
        origin: stored.origin.name(),
        version: stored.version,
        roll_up: RollUp::of(definition),
        expected_min: expected.min.map(Exact::from),
        expected_max: expected.max.map(Exact::from),
        time_zone: definition.time_zone.clone(),
        created_at: stored.created_at,
    }
}

fn origin() -> Object {
    words(Origin::ALL.map(Origin::name))
}
