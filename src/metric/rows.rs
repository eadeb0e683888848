//! Rows of a source, as measures and readings name them.

use serde::{Deserialize, Serialize};
use strum::{EnumIter, IntoStaticStr};

use super::Filter;

/// Some rows of one source. `source` is a key of the definition's `sources`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rows {
    pub source: String,
    #[serde(default, skip_serializing_if = "Filter::is_empty")]
    pub filter: Filter,
}

/// Which rows belong to a day.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, EnumIter, IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Phase {
    /// The number of rows whose time is in the day.
    Created,
    /// Rows created before the day's end and not soft-deleted by then.
    Existing,
}

/// What is counted, in few words: the sources with the column, then the `days` and whether a filter applies.
pub(super) fn described_rows(name: &str, rows: &[Rows], column: &str, days: &str) -> String {
    let sources: Vec<_> = rows.iter().map(|rows| rows.source.as_str()).collect();
    let mut parts = vec![format!("{}{column}", sources.join(", "))];
    parts.extend((!days.is_empty()).then(|| days.to_owned()));
    parts.extend(rows.iter().any(|rows| !rows.filter.is_empty()).then(|| "filtered".to_owned()));
    format!("{name}({})", parts.join("; "))
}
