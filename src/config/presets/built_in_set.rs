//! A preset as data.

use std::path::Path;

use crate::config::{
    file::{
        ReadFile,
        declaration::{DerivedDeclaration, MetricDeclaration},
        read_text,
    },
    presets::{
        column_choice::{ColumnChoice, SourceCondition},
        known_source::{KnownMoment, KnownPart, KnownSource},
    },
    settings::Preset,
};

/// A preset: its metrics, and what they read.
pub struct BuiltInSet {
    pub preset: Preset,
    /// The place of its declarations in messages.
    pub place: &'static str,
    /// Its declarations, in the words of daymark.toml.
    pub text: &'static str,
    pub sources: &'static [KnownSource],
    pub moments: &'static [KnownMoment],
    pub parts: &'static [KnownPart],
    pub columns: &'static [ColumnChoice],
    pub conditions: &'static [SourceCondition],
    /// Sources of which a platform of this kind has at least one.
    pub signature: &'static [&'static str],
}

impl BuiltInSet {
    pub fn metrics(&self) -> Vec<MetricDeclaration> {
        self.read().declarations.metrics
    }

    /// The metrics that are computed from others.
    pub fn derived(&self) -> Vec<DerivedDeclaration> {
        self.read().declarations.derived
    }

    /// Whether the preset has a metric of that name.
    pub fn has_metric(&self, category: &str) -> bool {
        let declarations = self.read().declarations;
        declarations.metrics.iter().any(|metric| metric.category == category)
            || declarations.derived.iter().any(|metric| metric.category == category)
    }

    /// The names of all its sources.
    pub fn source_names(&self) -> impl Iterator<Item = &'static str> {
        let parts = self.parts.iter().map(|part| part.source.name);
        let moments = self.moments.iter().map(|moment| moment.name);
        self.sources.iter().map(|known| known.name).chain(parts).chain(moments)
    }

    /// The source of that name, if it has a table of its own.
    pub fn source(&self, name: &str) -> Option<&'static KnownSource> {
        self.sources.iter().find(|known| known.name == name)
    }

    /// The file of the preset; a test ensures that it has no problems.
    pub fn read(&self) -> ReadFile {
        read_text(self.place, Path::new(""), self.text)
    }
}
