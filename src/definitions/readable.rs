//! What a definition can read: sources and tables of the platform, for those who write one.

use super::resolve::detected_formats;
use crate::{
    collect::{CollectError, Context},
    config::Config,
    platform::{Table, TableKind},
};

/// The most tables that are listed.
const MAX_TABLES: usize = 500;
/// The most columns of a table that are listed.
const MAX_COLUMNS: usize = 200;

/// The sources and tables of a platform.
#[derive(Debug, Clone)]
pub struct Readable {
    /// By name: the table of each, or the reason why it cannot be read.
    pub sources: Vec<(String, Result<ReadableTable, String>)>,
    /// Every table and view that the platform's role may read, except those of extensions.
    pub tables: Vec<ReadableTable>,
    /// Whether tables were left out.
    pub truncated: bool,
}

/// A table or a view with the names and the types of its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadableTable {
    pub name: String,
    pub columns: Vec<(String, String)>,
}

/// Inspects the platform.
///
/// # Errors
/// When the platform cannot be inspected.
pub async fn readable(context: &Context, config: &Config) -> Result<Readable, CollectError> {
    let platform = context.tenant.platform.as_ref();
    let queries = config.source_queries();
    let schema = context.on_platform(|| platform.inspect_with(&queries)).await?;
    let detected = detected_formats(context, config, &schema).await?;
    let sources = config.source_tables_by_name(&schema, &detected);
    let sources = sources.into_iter().map(|(name, table)| (name, table.map(ReadableTable::from))).collect();
    let mut tables: Vec<_> = schema
        .tables
        .iter()
        .filter(|table| table.readable && !table.row_security && !table.of_extension)
        .map(ReadableTable::from)
        .collect();
    let truncated = tables.len() > MAX_TABLES;
    tables.truncate(MAX_TABLES);
    Ok(Readable { sources, tables, truncated })
}

impl From<&Table> for ReadableTable {
    fn from(table: &Table) -> Self {
        let name = match (table.kind, table.visible) {
            (TableKind::Query, _) => "(a query)".to_owned(),
            (_, true) => table.name.clone(),
            (_, false) => format!("{}.{}", table.schema, table.name),
        };
        let columns = table.columns.iter().take(MAX_COLUMNS);
        Self {
            name,
            columns: columns.map(|column| (column.name.clone(), column.type_name.clone())).collect(),
        }
    }
}
