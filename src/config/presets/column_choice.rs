//! Columns that a preset's metrics read, which are chosen from a platform's tables.

/// The possible columns of a metric, of which the first that exists is used.
pub struct ColumnChoice {
    pub category: &'static str,
    pub key: ChosenKey,
    /// What the column has, for messages.
    pub of: &'static str,
    pub sources: &'static [&'static str],
    pub columns: &'static [ColumnCandidate],
    pub numeric: bool,
    /// Whether the metric can be computed without the column.
    pub is_optional: bool,
}

/// The key of the metric that the column is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChosenKey {
    /// Its `column`.
    Column,
    /// Its `column`, of which only values below zero count.
    ColumnBelowZero,
    /// The `sum` of a breakdown.
    Sum,
}

/// A possible column.
pub struct ColumnCandidate {
    /// In lower case and without separators; through a foreign key: `product.name`.
    pub name: &'static str,
    /// The unit of its values, if it differs from the metric's.
    pub unit: Option<&'static str>,
    /// Columns beside it that make its values something else, such as the interval of a price; names as above.
    pub unless: &'static [&'static str],
}

impl ColumnCandidate {
    pub const fn named(name: &'static str) -> Self {
        Self { name, unit: None, unless: &[] }
    }

    pub const fn in_unit(name: &'static str, unit: &'static str) -> Self {
        Self { name, unit: Some(unit), unless: &[] }
    }
}

/// What a source must have for a metric to be computed from it.
pub struct SourceCondition {
    pub categories: &'static [&'static str],
    pub source: &'static str,
    pub test: SourceTest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceTest {
    /// The time at which a row ends, or a filter that says which rows have not ended.
    TellsEnds,
    /// The platform has no table for the source; if it has one, another metric of the preset is used instead.
    IsMissing,
}
