//! Recognises the column with the time at which a row was deleted, or ended.

use crate::{
    config::recognise::{
        column_synonyms::DELETED,
        names::plain,
        time_format::{contradiction, possible_formats},
    },
    metric::TimeFormat,
    platform::{Column, ColumnType, DetectedFormats, Table},
};

/// Returns why `column` cannot be the time of deletion of a source whose time column has the format `format`.
pub fn unusable_reason(
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

pub fn deleted_columns(table: &Table) -> Vec<&Column> {
    named_ends(table, DELETED)
}

pub fn named_ends<'a>(table: &'a Table, names: &'static [&'static str]) -> Vec<&'a Column> {
    let named = |name: &&str| {
        let found = table.columns.iter().find(|column| plain(&column.name) == **name);
        found.filter(|column| can_mark_existing(column) && !possible_formats(table, column).is_empty())
    };
    names.iter().filter_map(named).collect()
}

/// Whether the column can represent a row that is not deleted: by NULL, or by 0 if it contains numbers.
pub fn can_mark_existing(column: &Column) -> bool {
    column.nullable || matches!(column.column_type, ColumnType::Integer | ColumnType::Number)
}
