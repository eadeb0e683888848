//! Estimates about a platform's tables: the number of rows, the filled columns, the foreign keys, and the values of
//! columns that have few. They are from PostgreSQL's own statistics if there are any, otherwise from a sample of each
//! table's first rows. `daymark init` and `daymark check` base suggestions on them. No recorded value depends on them.

use std::collections::{BTreeSet, HashMap};

use super::schema::Table;

/// A table to sample, and the columns whose statistics are needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampledTable {
    /// PostgreSQL schema; empty on SQLite.
    pub schema: String,
    pub table: String,
    pub columns: Vec<String>,
    /// Columns without a foreign key whose values are compared with the keys of another table.
    pub may_refer: Vec<PossibleReference>,
}

/// A column whose name says that it refers to another table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PossibleReference {
    pub column: String,
    pub to_schema: String,
    pub to_table: String,
    /// The key of that table.
    pub to_column: String,
    /// Whether the key has an index, so that single values are found without reading the table.
    pub is_indexed: bool,
}

/// Statistics by schema and table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Statistics(pub HashMap<(String, String), TableStatistics>);

/// The estimates about one table; unknown ones are absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableStatistics {
    /// About how many rows there are. 0 is exact.
    pub rows: Option<u64>,
    /// The share of rows, from 0 to 1, in which the column is not NULL.
    pub filled: HashMap<String, f64>,
    /// The distinct values of columns that have at most 20, as text, in alphabetical order.
    pub values: HashMap<String, BTreeSet<String>>,
    /// The foreign keys of one column, and the columns whose values are keys of another table although no foreign key says so.
    pub references: Vec<Reference>,
}

/// `column` points at a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub column: String,
    pub to_schema: String,
    pub to_table: String,
}

impl Statistics {
    pub fn of(&self, table: &Table) -> Option<&TableStatistics> {
        self.0.get(&(table.schema.clone(), table.name.clone()))
    }

    /// Whether the table is known to have no rows.
    pub fn is_empty(&self, table: &Table) -> bool {
        self.of(table).is_some_and(|statistics| statistics.rows == Some(0))
    }

    pub(super) fn entry(&mut self, schema: &str, table: &str) -> &mut TableStatistics {
        self.0.entry((schema.to_owned(), table.to_owned())).or_default()
    }
}
