//! How columns become domain values, and how a column that cannot be read becomes [`StoreError::Corrupt`].

use std::{error::Error, str::FromStr};

use jiff::Timestamp;
use serde_json::{Map, Value};
use sqlx::{ColumnIndex, Decode, Row, Type};

use super::{DefinitionVersion, StoreError};
use crate::{
    database::{Fault, FaultClass},
    metric::{Definition, MetricKey, MetricType},
};

/// What a failure of the driver means at `location`.
pub(super) fn failed(location: &str, error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::ColumnDecode { index, source } => StoreError::Corrupt {
            location: location.to_owned(),
            what: format!("column {}: {source}", index.trim_matches('"')),
        },
        sqlx::Error::PoolTimedOut => StoreError::Fault {
            location: location.to_owned(),
            fault: Fault::new(
                FaultClass::Unreachable,
                "it accepts no connection, or all connections of this process are busy",
            ),
        },
        other => StoreError::Fault { location: location.to_owned(), fault: Fault::from(other) },
    }
}

/// What `read` makes of `rows` of a table. A row that cannot be read is left out and named in the log: the constraints let
/// none in, and one that a superuser made must not take the others with it.
pub(super) fn readable<'r, R, T>(
    location: &str,
    table: &'static str,
    rows: &'r [R],
    read: impl Fn(&'r R) -> Result<T, sqlx::Error>,
) -> Vec<T> {
    let mut values = Vec::with_capacity(rows.len());
    let mut first_error = None;
    for row in rows {
        match read(row) {
            Ok(value) => values.push(value),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    if let Some(error) = first_error {
        let left_out = rows.len() - values.len();
        tracing::error!(location, table, left_out, %error, "left out rows that cannot be read; daymark check names what is wrong");
    }
    values
}

/// Reads a text column that holds one of a few words.
pub(super) fn word<'r, R, T>(
    row: &'r R,
    column: &'static str,
    from_name: impl Fn(&str) -> Option<T>,
) -> Result<T, sqlx::Error>
where
    R: Row,
    &'static str: ColumnIndex<R>,
    &'r str: Decode<'r, R::Database> + Type<R::Database>,
{
    let name: &str = row.try_get(column)?;
    from_name(name).ok_or_else(|| undecodable(column, format!("`{name}` is none of the known words")))
}

/// Reads a text column that holds something with a standard notation: a date, an instant, a UUID, a decimal.
pub(super) fn parsed<'r, R, T>(row: &'r R, column: &'static str) -> Result<T, sqlx::Error>
where
    R: Row,
    &'static str: ColumnIndex<R>,
    &'r str: Decode<'r, R::Database> + Type<R::Database>,
    T: FromStr<Err: Error + Send + Sync + 'static>,
{
    row.try_get::<&str, _>(column)?.parse().map_err(|error: T::Err| undecodable(column, error))
}

pub(super) fn metric_key<'r, R>(row: &'r R) -> Result<MetricKey, sqlx::Error>
where
    R: Row,
    &'static str: ColumnIndex<R>,
    &'r str: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
{
    Ok(MetricKey {
        metric_type: word(row, "metric_type", MetricType::from_name)?,
        category: row.try_get("metric_category")?,
    })
}

/// `instant` reads a column of an instant, for which the databases have types of their own.
pub(super) fn definition_version<'r, R>(
    row: &'r R,
    instant: impl Fn(&'r R, &'static str) -> Result<Timestamp, sqlx::Error>,
) -> Result<DefinitionVersion, sqlx::Error>
where
    R: Row,
    &'static str: ColumnIndex<R>,
    &'r str: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    i32: Decode<'r, R::Database> + Type<R::Database>,
    Value: Decode<'r, R::Database> + Type<R::Database>,
{
    Ok(DefinitionVersion {
        key: metric_key(row)?,
        version: row.try_get("version")?,
        definition: definition(row.try_get("spec")?)?,
        created_at: instant(row, "created_at")?,
    })
}

pub(super) fn definition(spec: Value) -> Result<Definition, sqlx::Error> {
    serde_json::from_value(spec).map_err(|error| undecodable("spec", error))
}

pub(super) fn object(column: &'static str, value: Value) -> Result<Map<String, Value>, sqlx::Error> {
    match value {
        Value::Object(object) => Ok(object),
        other => Err(undecodable(column, format!("not an object: {other}"))),
    }
}

pub(super) fn undecodable(
    column: &'static str,
    source: impl Into<Box<dyn Error + Send + Sync>>,
) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: source.into() }
}

/// An instant as a store keeps it: to the microsecond, which is as fine as PostgreSQL goes.
pub(super) fn to_micros(instant: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(instant.as_microsecond()).unwrap_or(instant)
}
