//! The true numbers of the simulated platform, with which tests compare the records.

use std::{collections::BTreeMap, ops::AddAssign};

use jiff::civil::Date;

/// The number of rows of each table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowCounts(BTreeMap<String, u64>);

impl RowCounts {
    pub fn of_tables<const TABLES: usize>(rows: [(&str, u64); TABLES]) -> Self {
        Self(rows.into_iter().map(|(table, rows)| (table.to_owned(), rows)).collect())
    }

    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// The number of rows of one table; 0 for a table that the platform does not have.
    pub fn of(&self, table: &str) -> u64 {
        self.0.get(table).copied().unwrap_or_default()
    }

    pub(super) fn add(&mut self, table: &str, rows: u64) {
        *self.0.entry(table.to_owned()).or_default() += rows;
    }
}

impl AddAssign for RowCounts {
    fn add_assign(&mut self, other: Self) {
        for (table, rows) in other.0 {
            self.add(&table, rows);
        }
    }
}

/// The true numbers of one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayLedger {
    pub day: Date,
    pub created: RowCounts,
    /// Rows deleted on that day, including cascades, regardless of when they were created.
    pub deleted: RowCounts,
    /// Deleted rows that were created on the same day, which a count at the end of the day cannot see.
    pub deleted_same_day: RowCounts,
}

/// A deleted account, and the rows that were deleted with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departure {
    pub name: String,
    pub deleted: RowCounts,
}
