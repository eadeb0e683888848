//! Definitions as a store holds them, and how they change.

use async_trait::async_trait;
use jiff::Timestamp;
use strum::{EnumIter, EnumString, IntoStaticStr};

use crate::{
    metric::{Definition, MetricKey},
    store::StoreError,
};

/// The origin of a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Origin {
    /// `daymark.toml` or the preset: `daymark apply` brings it in line with them.
    File,
    /// The API, through which it was made.
    Api,
}

/// A definition as the store holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDefinition {
    pub definition: Definition,
    /// Counts from 1 for each metric.
    pub version: i32,
    pub is_active: bool,
    pub origin: Origin,
    /// When the metric was first defined.
    pub created_at: Timestamp,
}

/// A version that a definition has or had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionVersion {
    pub key: MetricKey,
    pub version: i32,
    pub definition: Definition,
    /// The time at which it was created.
    pub created_at: Timestamp,
}

/// One change to the stored definitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefinitionChange {
    /// Adds a metric that the store does not have, as version 1.
    Add(Definition),
    /// Adds an active further version, because the measure or the presentation differs.
    Revise(Definition),
    /// Activates a stored definition that is unchanged and inactive.
    Activate(MetricKey),
    /// Changes the origin of a stored definition that is active and unchanged.
    Adopt(Definition),
    /// Continues in days of this time zone, whatever its origin: the next version.
    MoveZone(MetricKey, String),
    /// Deactivates a definition. Its records and versions stay.
    Deactivate(MetricKey),
}

/// The definitions before and after a change, read in its transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionsChanged {
    pub before: Vec<StoredDefinition>,
    pub after: Vec<StoredDefinition>,
}

#[async_trait]
pub trait Definitions: Send + Sync {
    /// The current version of every metric, active or not, by category.
    async fn definitions(&self) -> Result<Vec<StoredDefinition>, StoreError>;

    /// The first `limit` tenants that have metrics, active or not, by name: of all tenants of the store, so that a command can say that
    /// it was started for another one. It is not for answers to a tenant's clients.
    async fn tenants_with_metrics(&self, limit: i64) -> Result<Vec<String>, StoreError>;

    /// Every version of every metric, by category and version.
    async fn definition_versions(&self) -> Result<Vec<DefinitionVersion>, StoreError>;

    /// Applies all changes or none. Metrics that they create or activate have the origin `by` from then on.
    ///
    /// # Errors
    /// [`StoreError::OfFile`] when the API is to change an active definition that is the file's.
    async fn change_definitions(
        &self,
        changes: &[DefinitionChange],
        by: Origin,
        now: Timestamp,
    ) -> Result<DefinitionsChanged, StoreError>;
}

impl Origin {
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl DefinitionChange {
    pub fn category(&self) -> &str {
        match self {
            Self::Add(definition) | Self::Revise(definition) | Self::Adopt(definition) => {
                &definition.category
            }
            Self::Activate(key) | Self::MoveZone(key, _) | Self::Deactivate(key) => &key.category,
        }
    }
}
