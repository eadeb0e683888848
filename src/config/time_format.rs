//! Which formats of time a column can have: where its type leaves several open, as on SQLite, the data decide.

use std::collections::BTreeMap;

use crate::{
    metric::TimeFormat,
    platform::{Column, ColumnType, Table},
};

/// A column whose format of time the data must tell.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimeColumn {
    /// PostgreSQL schema; empty on SQLite.
    pub schema: String,
    pub table: String,
    pub column: String,
}

/// What the data say about a column's format of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detection {
    Format(TimeFormat),
    /// There are no values to tell it from.
    NoValues,
    /// The values are no times in any one format.
    NoTime,
}

/// What the platform's data told. A column that is absent was not looked at.
pub type DetectedFormats = BTreeMap<TimeColumn, Detection>;

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

impl TimeColumn {
    pub fn of(table: &Table, column: &Column) -> Self {
        Self { schema: table.schema.clone(), table: table.name.clone(), column: column.name.clone() }
    }
}

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

/// The column's format, or why it cannot be told.
pub fn format_of(table: &Table, column: &Column, detected: &DetectedFormats) -> Result<TimeFormat, String> {
    let place = format!("`{}.{}`", table.name, column.name);
    let possible = possible_formats(table, column);
    match (possible, detected.get(&TimeColumn::of(table, column))) {
        ([], _) => Err(format!("{place} is of type {}, which holds no time", column.type_name)),
        ([format], _) => Ok(*format),
        (_, Some(Detection::Format(format))) if possible.contains(format) => Ok(*format),
        // Any ISO 8601 text is what a text column with a time in it will hold once it holds something.
        (_, Some(Detection::NoValues)) if possible.contains(&TimeFormat::Iso) => Ok(TimeFormat::Iso),
        (_, Some(Detection::NoValues)) => {
            Err(format!("{place} is empty, so that its format of time cannot be told"))
        }
        _ => Err(format!("the values of {place} are no times in a format that is known")),
    }
}
