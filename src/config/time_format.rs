//! Which formats of time a column can have: where its type leaves several open, as on SQLite, the data decide.

use std::collections::HashMap;

use crate::{
    metric::TimeFormat,
    platform::{Column, ColumnType, Table},
};

/// What a SQLite platform's values tell, by table and column: the answer of
/// [`Platform::detect_time_formats`](crate::platform::Platform::detect_time_formats). Of an empty column they tell
/// [`TimeFormat::Iso`]; a column that holds no times in any one format is absent.
pub type DetectedFormats = HashMap<(String, String), TimeFormat>;

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

/// The column's format, or why it cannot be told.
pub fn format_of(table: &Table, column: &Column, detected: &DetectedFormats) -> Result<TimeFormat, String> {
    let place = format!("`{}.{}`", table.name, column.name);
    let told = to_detect(table, column).and_then(|column| detected.get(&column));
    match (possible_formats(table, column), told) {
        ([], _) => Err(format!("{place} is of type {}, which holds no time", column.type_name)),
        ([format], _) => Ok(*format),
        (possible, Some(format)) if possible.contains(format) => Ok(*format),
        _ if on_sqlite(table) => {
            Err(format!("the values of {place} do not tell in which format of time they are"))
        }
        _ => Err(format!("{place} is of type {}, which may hold time in several ways", column.type_name)),
    }
}
