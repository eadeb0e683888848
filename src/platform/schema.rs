//! The parts of a platform's schema that Daymark uses.

/// The tables and views of a platform.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    pub tables: Vec<Table>,
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

/// What sort of relation a [`Table`] is, as far as it matters to how current its rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    /// Its rows are those of now: a table, or a view.
    Current,
    /// Its rows are those of the last refresh.
    MaterializedView,
    /// Its rows are those of another server, which may lag.
    ForeignTable,
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
}

impl Table {
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}
