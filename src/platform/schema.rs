//! The parts of a platform's schema that Daymark uses.

use crate::metric::Source;

/// The tables and views of a platform, and the queries that are read like tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    pub tables: Vec<Table>,
    /// Those of one column each.
    pub foreign_keys: Vec<ForeignKey>,
    /// The queries of sources that were asked for.
    pub queries: Vec<DescribedQuery>,
}

/// A foreign key of one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    pub schema: String,
    pub table: String,
    pub column: String,
    pub to_schema: String,
    pub to_table: String,
    pub to_column: String,
}

/// The query of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedQuery {
    pub sql: String,
    /// What it returns, as a table with the name of the query's text; or why it cannot be read.
    pub table: Result<Table, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// PostgreSQL schema; empty on SQLite.
    pub schema: String,
    pub name: String,
    /// Whether an unqualified name finds it (it is on the search path); always so on SQLite.
    pub visible: bool,
    /// Whether the platform's role may SELECT from it.
    pub readable: bool,
    /// Whether row level security applies to that role there, so that reading it fails; never so on SQLite.
    pub row_security: bool,
    pub kind: TableKind,
    /// Whether an extension made the table, as PostGIS makes `spatial_ref_sys`; never so on SQLite.
    pub of_extension: bool,
    pub columns: Vec<Column>,
}

/// The kind of relation that a [`Table`] is, as far as it decides how current its rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    /// Its rows are those of now: a table, or a view.
    Current,
    /// Its rows are those of the last refresh.
    MaterializedView,
    /// Its rows are those of another server, which may lag.
    ForeignTable,
    /// It is no relation but the result of a query, whose columns may all be NULL as far as is known.
    Query,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub column_type: ColumnType,
    /// The platform's own name of the type, for messages.
    pub type_name: String,
    pub nullable: bool,
    /// Whether the column's default is the time of insertion.
    pub defaults_to_now: bool,
    /// Whether a usable index starts with this column, so that a range of it can be read alone.
    pub indexed: bool,
    /// About how many distinct values there are, where the platform knows.
    pub distinct_estimate: Option<u64>,
}

impl Column {
    /// A column of which no more is known than its type.
    pub fn of_query(name: &str, column_type: ColumnType, type_name: &str) -> Self {
        Self {
            name: name.to_owned(),
            column_type,
            type_name: type_name.to_owned(),
            nullable: true,
            defaults_to_now: false,
            indexed: false,
            distinct_estimate: None,
        }
    }
}

/// Types as far as reading needs them: for the format of a time column, and for comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    Timestamptz,
    Timestamp,
    Date,
    Integer,
    /// `numeric`, `real`, `double precision`.
    Number,
    Boolean,
    Text,
    /// One of the values that the type lists.
    Enumeration,
    Uuid,
    Other,
}

impl Schema {
    /// The table that `schema` and `name` mean; without a schema, the visible one.
    pub fn table(&self, schema: Option<&str>, name: &str) -> Option<&Table> {
        match schema {
            Some(schema) => self.tables.iter().find(|table| table.schema == schema && table.name == name),
            None => self.tables.iter().find(|table| table.visible && table.name == name),
        }
    }

    /// The table that a source reads, without the columns that it joins; or what its query returns.
    pub fn of(&self, source: &Source) -> Option<&Table> {
        match &source.query {
            Some(query) => self.query(query)?.as_ref().ok(),
            None => self.table(source.schema.as_deref(), &source.table),
        }
    }

    /// The column that a source names so, which may be one that it joins.
    pub fn column_of(&self, source: &Source, name: &str) -> Option<&Column> {
        match source.joined.iter().find(|join| join.name == name) {
            Some(join) => self.table(join.schema.as_deref(), &join.table)?.column(&join.column),
            None => self.of(source)?.column(name),
        }
    }

    /// What the query returns; `None` where it was not asked for.
    pub fn query(&self, sql: &str) -> Option<&Result<Table, String>> {
        self.queries.iter().find(|query| query.sql == sql).map(|query| &query.table)
    }

    /// The foreign keys of a table.
    pub fn foreign_keys_of(&self, table: &Table) -> impl Iterator<Item = &ForeignKey> {
        self.foreign_keys.iter().filter(|key| key.schema == table.schema && key.table == table.name)
    }
}

impl Table {
    /// The columns of a query; `schema` is not empty on PostgreSQL.
    pub fn of_query(sql: &str, schema: &str, columns: Vec<Column>) -> Self {
        Self {
            schema: schema.to_owned(),
            name: sql.to_owned(),
            visible: true,
            readable: true,
            row_security: false,
            kind: TableKind::Query,
            of_extension: false,
            columns,
        }
    }

    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}
