//! Recognises the meaning of a table's columns (time of creation, actor, time of soft deletion, flags) and the tables
//! that belong to the platform's application.

mod boolean_values;
mod column_synonyms;
mod creation_time;
pub mod dimensions;
pub mod flags;
pub mod names;
pub mod system_tables;
pub mod time_format;
pub mod users;

use crate::{
    config::recognise::{
        column_synonyms::{ACTORS, DELETED},
        creation_time::{candidates, created_columns},
        dimensions::may_be_dimension,
        flags::may_be_flag,
        names::{grant, plain, table_name},
        system_tables::{application_tables, supabase_users},
        time_format::{contradiction, format_of, possible_formats, to_detect},
    },
    metric::{Filter, Source, TimeFormat},
    platform::{Column, ColumnType, DetectedFormats, SampledTable, Schema, Table, TableStatistics},
};

/// A table that can be a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recognised<'a> {
    pub table: &'a Table,
    pub source: Source,
    /// Why a column that looks like the time of deletion cannot be used.
    pub unusable_deletion: Option<String>,
}

/// Returns a source that reads `table`, or the reason why that is not possible. `with_actor` is false for the table of
/// users, whose rows are not actions of users.
pub fn recognise<'a>(
    table: &'a Table,
    detected: &DetectedFormats,
    statistics: Option<&TableStatistics>,
    with_actor: bool,
) -> Result<Recognised<'a>, String> {
    if !table.readable {
        return Err(format!("the platform's role may not read {}; {}", table_name(table), grant(table)));
    }
    let (time_column, time_format) = time_of_creation(table, detected, statistics)?;
    let deletions: Vec<_> = deleted_columns(table)
        .into_iter()
        .map(|column| match unusable_reason(table, column, time_format, detected) {
            None => Ok(column),
            Some(reason) => Err(reason),
        })
        .collect();
    let deleted_column = deletions.iter().find_map(|column| column.as_ref().ok());
    let unusable_deletion = deletions.iter().find_map(|column| column.as_ref().err().cloned());
    let actor_column = with_actor.then(|| actor_column(table)).flatten();
    let source = Source {
        schema: (!table.visible).then(|| table.schema.clone()),
        table: table.name.clone(),
        query: None,
        joined: Vec::new(),
        time_column: time_column.name.clone(),
        time_format,
        time_zone: "UTC".to_owned(),
        deleted_column: deleted_column.map(|column| column.name.clone()),
        actor_column: actor_column.map(|column| column.name.clone()),
        filter: Filter::default(),
    };
    let unusable_deletion = unusable_deletion.filter(|_| source.deleted_column.is_none());
    Ok(Recognised { table, source, unusable_deletion })
}

/// Returns the column that contains the time of creation, and its format.
fn time_of_creation<'a>(
    table: &'a Table,
    detected: &DetectedFormats,
    statistics: Option<&TableStatistics>,
) -> Result<(&'a Column, TimeFormat), String> {
    let candidates = created_columns(table, statistics);
    let Some(first) = candidates.first() else {
        return Err(format!(
            "table {} has no column that is known to contain the time of creation",
            table_name(table)
        ));
    };
    let found =
        candidates.iter().find_map(|column| Some((*column, format_of(table, column, detected).ok()?)));
    found.ok_or_else(|| format_of(table, first, detected).err().unwrap_or_default())
}

/// Returns why `column` cannot be the time of deletion of a source whose time column has the format `format`.
fn unusable_reason(
    table: &Table,
    column: &Column,
    format: TimeFormat,
    detected: &DetectedFormats,
) -> Option<String> {
    if !possible_formats(table, column).contains(&format) {
        let (name, type_name) = (&column.name, &column.type_name);
        return Some(format!("`{}.{name}` is of type {type_name}, unlike the time column", table.name));
    }
    contradiction(table, column, format, detected).map(|contradiction| contradiction.message)
}

/// Returns the columns of `table` whose time format must be detected from their values before the table can be
/// recognised without statistics.
pub fn undecided_columns(table: &Table) -> Vec<(String, String)> {
    let columns = created_columns(table, None).into_iter().chain(deleted_columns(table));
    columns.filter(|_| table.readable).filter_map(|column| to_detect(table, column)).collect()
}

/// Returns the columns of the application's tables whose time format must be detected from their values before the
/// tables can be recognised with statistics, by table and column.
pub fn columns_to_survey(schema: &Schema) -> Vec<(String, String)> {
    let tables = application_tables(schema).into_iter().filter(|table| table.readable);
    let columns = tables.flat_map(|table| {
        let columns = candidates(table).into_iter().chain(deleted_columns(table));
        columns.filter_map(|column| to_detect(table, column)).collect::<Vec<_>>()
    });
    let mut columns: Vec<_> = columns.collect();
    columns.sort();
    columns.dedup();
    columns
}

/// Returns the application's tables, for which statistics are needed, each with the columns that may contain the time
/// of creation, those that look like flags and those that may have few different values.
pub fn tables_to_sample(schema: &Schema) -> Vec<SampledTable> {
    let tables = application_tables(schema).into_iter().chain(supabase_users(schema));
    let of_table = |table: &Table| {
        let dimensions = table.columns.iter().filter(|column| may_be_dimension(column));
        sampled(table, candidates(table).into_iter().chain(dimensions).collect())
    };
    tables.filter(|table| table.readable).map(of_table).collect()
}

/// Returns `table` with the columns that look like flags, and the `further` ones.
pub fn sampled<'a>(table: &'a Table, further: Vec<&'a Column>) -> SampledTable {
    let flags = table.columns.iter().filter(|column| may_be_flag(column));
    let mut columns: Vec<_> = further.into_iter().chain(flags).map(|column| column.name.clone()).collect();
    columns.sort();
    columns.dedup();
    SampledTable { schema: table.schema.clone(), table: table.name.clone(), columns }
}

fn deleted_columns(table: &Table) -> Vec<&Column> {
    let named = |name: &&str| {
        let found = table.columns.iter().find(|column| plain(&column.name) == **name);
        found.filter(|column| can_mark_existing(column) && !possible_formats(table, column).is_empty())
    };
    DELETED.iter().filter_map(named).collect()
}

/// Whether the column can represent a row that is not deleted: by NULL, or by 0 if it contains numbers.
pub fn can_mark_existing(column: &Column) -> bool {
    column.nullable || matches!(column.column_type, ColumnType::Integer | ColumnType::Number)
}

fn actor_column(table: &Table) -> Option<&Column> {
    ACTORS.iter().find_map(|name| table.columns.iter().find(|column| plain(&column.name) == *name))
}
