//! The definitions, as readers of values need them. The platform's tables, columns
//! and queries are left out: a principal that may only read the record must not see them.

use jiff::Timestamp;
use serde::Serialize;
use strum::IntoEnumIterator;
use utoipa::{ToSchema, openapi::Object};

use super::{
    catalogue::{Catalogue, CatalogueMetric, KnownVersion},
    derived,
    error::QueryError,
    response::{metric_type, words},
    rollup::RollUp,
};
use crate::{
    config::suggestion,
    metric::{Decimal, DerivedMetric, MetricType},
    store::{Origin, StoredDefinition},
};

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DefinitionsResponse {
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
    /// Whether the overview of a dashboard shows it.
    pub headline: bool,
    /// The heading under which a dashboard lists it; empty for none.
    pub group: String,
    pub is_active: bool,
    /// The origin: `file` for daymark.toml or the preset; `api` for a definition that was created through the API and
    /// can only be changed there.
    #[schema(schema_with = origin)]
    pub origin: &'static str,
    /// Counts from 1; 0 for a derived metric, which has no versions.
    pub version: i32,
    /// How the values of several days are combined.
    pub roll_up: RollUp,
    /// Present and true if the metric has labels: its metadata have a value for each of them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub has_labels: bool,
    /// The lower bound of plausible values, if one is set.
    pub expected_min: Option<Decimal>,
    pub expected_max: Option<Decimal>,
    /// The IANA time zone whose days are recorded.
    pub time_zone: String,
    /// When the metric was first defined; null for a derived metric.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub created_at: Option<Timestamp>,
    /// The metrics from which a derived metric is computed when it is read; absent for one that is recorded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub derived_from: Vec<String>,
}

/// A version of a definition. Each record has the version from which its value was computed.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct VersionEntry {
    pub version: i32,
    /// The time at which it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// How the values of several days are combined.
    pub roll_up: RollUp,
}

/// The metric of that name: of several types that it has or had the active one, or else the one that was changed last.
///
/// # Errors
/// When there is none.
pub fn metric<'a>(catalogue: &'a Catalogue, category: &str) -> Result<&'a CatalogueMetric, QueryError> {
    let of_name = catalogue.metrics().iter().filter(|metric| metric.key.category == category);
    let changed_at =
        |metric: &CatalogueMetric| metric.versions().values().filter_map(|version| version.created_at).max();
    let found = of_name.max_by_key(|metric| (metric.stored.is_active, changed_at(metric)));
    found.ok_or_else(|| {
        let categories = catalogue.metrics().iter().map(|metric| metric.key.category.as_str());
        let suggestion = suggestion(category, categories).map(|hint| format!("; {hint}")).unwrap_or_default();
        QueryError::UnknownMetric { category: category.to_owned(), suggestion }
    })
}

/// The versions of a metric, in their order.
pub fn versions(metric: &CatalogueMetric) -> Vec<VersionEntry> {
    let entry = |(version, known): (&i32, &KnownVersion)| {
        Some(VersionEntry { version: *version, created_at: known.created_at?, roll_up: known.roll_up })
    };
    metric.versions().iter().filter_map(entry).collect()
}

/// Every metric, active or not, and every derived one, by category.
pub fn definitions(catalogue: &Catalogue) -> DefinitionsResponse {
    let recorded = catalogue.metrics().iter().map(|metric| definition_entry(&metric.stored));
    let derived = catalogue.derived().iter().map(derived_entry);
    let mut definitions: Vec<_> = recorded.chain(derived).collect();
    let name = |entry: &DefinitionEntry| (entry.metric_category.clone(), entry.metric_type.name());
    definitions.sort_by_key(name);
    DefinitionsResponse { definitions }
}

/// The derived metric of that name.
pub fn derived_metric<'a>(catalogue: &'a Catalogue, category: &str) -> Option<&'a DerivedMetric> {
    catalogue.derived().iter().find(|metric| metric.key.category == category)
}

/// A derived metric, which is always active and comes from the file.
pub fn derived_entry(metric: &DerivedMetric) -> DefinitionEntry {
    DefinitionEntry {
        metric_type: metric.key.metric_type,
        metric_category: metric.key.category.clone(),
        display_name: metric.display_name.clone(),
        description: metric.description.clone(),
        unit: metric.unit.clone(),
        format_pattern: metric.format_pattern.clone(),
        is_active: true,
        origin: Origin::File.name(),
        version: 0,
        roll_up: derived::roll_up(&metric.derivation),
        has_labels: false,
        expected_min: None,
        expected_max: None,
        time_zone: metric.time_zone.clone(),
        created_at: None,
        headline: false,
        group: String::new(),
        derived_from: metric.derivation.inputs().to_vec(),
    }
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
        headline: definition.dashboard.headline,
        group: definition.dashboard.group.clone(),
        is_active: stored.is_active,
        origin: stored.origin.name(),
        version: stored.version,
        roll_up: RollUp::of(definition),
        has_labels: definition.measure.has_labels(),
        expected_min: expected.min,
        expected_max: expected.max,
        time_zone: definition.time_zone.clone(),
        created_at: Some(stored.created_at),
        derived_from: Vec::new(),
    }
}

fn origin() -> Object {
    words(Origin::iter().map(Origin::name))
}
