//! What a breakdown records of each label.

use serde::{Deserialize, Serialize};

/// What is computed of the rows of each label.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelAggregate {
    /// Their number.
    #[default]
    Rows,
    /// The sum of a column, NULLs left out.
    Sum(String),
    /// The mean of a column, NULLs left out.
    Average(String),
    /// The number of distinct values of a column.
    Distinct(String),
}

impl LabelAggregate {
    pub(super) fn is_rows(&self) -> bool {
        *self == Self::Rows
    }

    /// The column that is looked at beside that of the labels.
    pub fn column(&self) -> Option<&str> {
        match self {
            Self::Rows => None,
            Self::Sum(column) | Self::Average(column) | Self::Distinct(column) => Some(column),
        }
    }
}
