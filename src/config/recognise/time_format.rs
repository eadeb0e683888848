//! The time formats that a column can have. Where its type allows several, as on SQLite, its values decide.

use crate::{
    metric::TimeFormat,
    platform::{Column, ColumnType, DetectedFormats, Table},
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

/// Whether the type of a column says that it holds times. SQLite keeps whatever name the table's author wrote.
pub fn is_time_type(column: &Column) -> bool {
    let name = column.type_name.to_lowercase();
    matches!(column.column_type, ColumnType::Timestamptz | ColumnType::Timestamp | ColumnType::Date)
        || name.contains("date")
        || name.contains("timestamp")
}

/// The formats that the column's type allows; none when it cannot hold a time.
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

/// The name under which the values of a column tell its format, if they are needed for that.
pub fn to_detect(table: &Table, column: &Column) -> Option<(String, String)> {
    let open = on_sqlite(table) && possible_formats(table, column).len() > 1;
    open.then(|| (table.name.clone(), column.name.clone()))
}

/// Whether rows may lack a time: by their values where those were looked at, or else by the column's declaration, which
/// few authors of SQLite tables make.
pub fn may_lack_time(table: &Table, column: &Column, detected: &DetectedFormats) -> bool {
    let told = to_detect(table, column).and_then(|column| detected.get(&column));
    column.nullable && told.is_none_or(|told| told.has_null)
}

/// Whether rows may hold something in place of a time that cannot be read as ISO 8601, which alone takes any text.
pub fn may_be_unreadable(
    table: &Table,
    column: &Column,
    format: TimeFormat,
    detected: &DetectedFormats,
) -> bool {
    let told = to_detect(table, column).map(|column| detected.contains_key(&column));
    format == TimeFormat::Iso && told == Some(false)
}

/// The column's format, or why it cannot be told.
pub fn format_of(table: &Table, column: &Column, detected: &DetectedFormats) -> Result<TimeFormat, String> {
    let place = format!("`{}.{}`", table.name, column.name);
    let told = to_detect(table, column).and_then(|column| detected.get(&column));
    // Of a column without values, ISO is right whatever text comes.
    let told = told.map(|told| told.format.unwrap_or(TimeFormat::Iso));
    match (possible_formats(table, column), told) {
        ([], _) => Err(format!("{place} is of type {}, which holds no time", column.type_name)),
        ([format], _) => Ok(*format),
        (possible, Some(format)) if possible.contains(&format) => Ok(format),
        _ if on_sqlite(table) => {
            Err(format!("the values of {place} do not tell in which format of time they are"))
        }
        _ => Err(format!("{place} is of type {}, which may hold time in several ways", column.type_name)),
    }
}

/// The values of a column are not in the format in which they are to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    pub message: String,
    /// The format in which they are, if they share one.
    pub told: Option<TimeFormat>,
}

/// The contradiction between the values of `column` and `format`, if there is one. [`TimeFormat::Iso`] takes any text.
pub fn contradiction(
    table: &Table,
    column: &Column,
    format: TimeFormat,
    detected: &DetectedFormats,
) -> Option<Contradiction> {
    let told = detected.get(&to_detect(table, column)?).map(|told| told.format);
    let wanted = format.name();
    let place = format!("`{}.{}`", table.name, column.name);
    match (told, format) {
        (Some(None), _) | (None, TimeFormat::Iso) => None,
        (Some(Some(told)), _) if told == format => None,
        (Some(Some(told)), TimeFormat::Iso) if TEXT.contains(&told) => None,
        (Some(Some(told)), _) => Some(Contradiction {
            message: format!("the values of {place} are in the format `{}`, not in `{wanted}`", told.name()),
            told: Some(told),
        }),
        (None, _) => Some(Contradiction {
            message: format!("not all values of {place} are in the format `{wanted}`"),
            told: None,
        }),
    }
}
