//! The time formats that a column can have. If its type allows several, as on SQLite, its values decide.

use crate::{
    metric::TimeFormat,
    platform::{Column, ColumnType, DetectedFormats, Table, TableKind},
};

const UNIX: &[TimeFormat] = &[TimeFormat::UnixSeconds, TimeFormat::UnixMillis];
const TEXT: &[TimeFormat] = &[TimeFormat::Iso, TimeFormat::IsoUtc, TimeFormat::IsoUtcT, TimeFormat::Date];
const ANY_ON_SQLITE: &[TimeFormat] = &[
    TimeFormat::Iso,
    TimeFormat::IsoUtc,
    TimeFormat::IsoUtcT,
    TimeFormat::Date,
    TimeFormat::UnixSeconds,
    TimeFormat::UnixMillis,
];

/// Whether the table is in a SQLite database.
pub fn on_sqlite(table: &Table) -> bool {
    table.schema.is_empty()
}

/// Whether the type of a column is one of times. SQLite keeps any type name that the table's author wrote, so the name
/// is compared there.
pub fn is_time_type(column: &Column) -> bool {
    let name = column.type_name.to_lowercase();
    matches!(column.column_type, ColumnType::Timestamptz | ColumnType::Timestamp | ColumnType::Date)
        || name.contains("date")
        || name.contains("timestamp")
}

/// Returns the formats that the column's type allows; none if it cannot contain a time.
pub fn possible_formats(table: &Table, column: &Column) -> &'static [TimeFormat] {
    if on_sqlite(table) {
        return match column.column_type {
            _ if is_time_type(column) => ANY_ON_SQLITE,
            ColumnType::Integer | ColumnType::Number => UNIX,
            ColumnType::Text => TEXT,
            ColumnType::Other => ANY_ON_SQLITE,
            _ => &[],
        };
    }
    match column.column_type {
        ColumnType::Timestamptz => &[TimeFormat::Timestamptz],
        ColumnType::Timestamp => &[TimeFormat::Timestamp],
        ColumnType::Date => &[TimeFormat::Date],
        ColumnType::Integer | ColumnType::Number => UNIX,
        _ => &[],
    }
}

/// Returns the key of the column in [`DetectedFormats`], if its values are needed to determine the format.
pub fn to_detect(table: &Table, column: &Column) -> Option<(String, String)> {
    // On PostgreSQL only the format of numbers is ambiguous. Values of a table that is not on the search path, that row level security
    // hides, or that the role may not read are not looked at.
    let is_seen = table.visible && !table.row_security && table.kind != TableKind::Query;
    let is_read = table.readable && (on_sqlite(table) || is_seen);
    let is_ambiguous = is_read && possible_formats(table, column).len() > 1;
    is_ambiguous.then(|| (table.name.clone(), column.name.clone()))
}

/// Whether rows may lack a time: by the values if they were read, otherwise by the column's declaration, because few
/// SQLite tables declare NOT NULL.
pub fn may_lack_time(table: &Table, column: &Column, detected: &DetectedFormats) -> bool {
    let found = to_detect(table, column).and_then(|column| detected.get(&column));
    column.nullable && found.is_none_or(|found| found.has_null)
}

/// Whether rows may contain a value that cannot be read as ISO 8601. This is only possible for that format, as it
/// accepts any text.
pub fn may_be_unreadable(
    table: &Table,
    column: &Column,
    format: TimeFormat,
    detected: &DetectedFormats,
) -> bool {
    let found = to_detect(table, column).map(|column| detected.contains_key(&column));
    format == TimeFormat::Iso && found == Some(false)
}

/// Returns the column's format, or why it cannot be determined.
pub fn format_of(table: &Table, column: &Column, detected: &DetectedFormats) -> Result<TimeFormat, String> {
    let place = column_name(table, column);
    let found = to_detect(table, column).and_then(|column| detected.get(&column));
    if found.is_some_and(|found| found.out_of_range) {
        return Err(out_of_range(table, column));
    }
    // For a column without values, ISO is chosen, because it accepts every text format.
    let found = found.map(|found| found.format.unwrap_or(TimeFormat::Iso));
    match (possible_formats(table, column), found) {
        ([], _) => Err(format!("{place} is of type {}, which cannot contain a time", column.type_name)),
        ([format], _) => Ok(*format),
        (possible, Some(format)) if possible.contains(&format) => Ok(format),
        _ if on_sqlite(table) => {
            Err(format!("the time format of {place} cannot be determined from its values"))
        }
        _ => Err(format!(
            "{place} is of type {}, which may contain times in several formats",
            column.type_name
        )),
    }
}

/// Whether the numbers of a column are known to be no times, whatever format is declared.
pub fn is_out_of_range(table: &Table, column: &Column, detected: &DetectedFormats) -> bool {
    let found = to_detect(table, column).and_then(|column| detected.get(&column));
    found.is_some_and(|found| found.out_of_range)
}

pub fn out_of_range(table: &Table, column: &Column) -> String {
    format!(
        "at least half of the numbers in {} are no time from 2000 to 2100, neither as seconds nor as milliseconds since 1970",
        column_name(table, column)
    )
}

/// The column's name for messages.
fn column_name(table: &Table, column: &Column) -> String {
    match table.kind {
        TableKind::Query => format!("`{}`", column.name),
        _ => format!("`{}.{}`", table.name, column.name),
    }
}

/// A contradiction between the values of a column and the format in which they are to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    pub message: String,
    /// The format of the values, if all have the same one.
    pub found: Option<TimeFormat>,
}

/// Returns the contradiction between the values of `column` and `format`, if there is one. [`TimeFormat::Iso`] accepts
/// any text.
pub fn contradiction(
    table: &Table,
    column: &Column,
    format: TimeFormat,
    detected: &DetectedFormats,
) -> Option<Contradiction> {
    let found = detected.get(&to_detect(table, column)?).map(|found| found.format);
    let expected = format.name();
    let place = column_name(table, column);
    match (found, format) {
        (Some(None), _) | (None, TimeFormat::Iso) => None,
        (Some(Some(found)), _) if found == format => None,
        (Some(Some(found)), TimeFormat::Iso) if TEXT.contains(&found) => None,
        (Some(Some(found)), _) => Some(Contradiction {
            message: format!(
                "the values of {place} are in the format `{}`, not in `{expected}`",
                found.name()
            ),
            found: Some(found),
        }),
        (None, _) => Some(Contradiction {
            message: format!("not all values of {place} are in the format `{expected}`"),
            found: None,
        }),
    }
}
