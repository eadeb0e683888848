//! Rows of a source, as measures and readings name them.

use serde::{Deserialize, Serialize};

use super::Filter;

/// Some rows of one source. `source` is a key of the definition's `sources`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rows {
    pub source: String,
    #[serde(default, skip_serializing_if = "Filter::is_empty")]
    pub filter: Filter,
}

/// Which rows belong to a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The number of rows whose time is in the day.
    Created,
    /// Rows created before the day's end and not soft-deleted by then.
    Existing,
}
