//! How columns become domain values, and how a column that cannot be read becomes [`StoreError::Corrupt`].

use std::{collections::BTreeMap, error::Error, str::FromStr};

use jiff::{Timestamp, civil::Date};
use parking_lot::Mutex;
use serde_json::{Map, Value};
use sqlx::{
    Decode, Postgres, Row, Sqlite, Type, error::UnexpectedNullError, postgres::PgRow, sqlite::SqliteRow,
};
use uuid::Uuid;

use super::StoreError;
use crate::{
    database::{Fault, FaultClass},
    telemetry::LogThrottle,
};

/// Converts a failure of the driver into the error of the store at `location`.
pub(super) fn failed(location: &str, error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::ColumnDecode { index, source } => StoreError::Corrupt {
            location: location.to_owned(),
            what: format!("column {}: {source}", index.trim_matches('"')),
        },
        sqlx::Error::PoolTimedOut => StoreError::Fault {
            location: location.to_owned(),
            fault: Fault::new(FaultClass::Unreachable, StoreError::WITHOUT_SESSION),
        },
        other => StoreError::Fault { location: location.to_owned(), fault: Fault::from(other) },
    }
}

/// Converts `rows` of a table with `read`. A row that cannot be read is left out and named in the log: the constraints let
/// none in, and one that a superuser made must not take the others with it.
pub(super) fn readable<'r, R, T>(
    location: &str,
    table: &'static str,
    rows: &'r [R],
    read: impl Fn(&'r R) -> Result<T, sqlx::Error>,
) -> Vec<T> {
    let mut values = Vec::with_capacity(rows.len());
    let mut left_out = UnreadableRows::default();
    for row in rows {
        match read(row) {
            Ok(value) => values.push(value),
            Err(error) => left_out.add(|| error.to_string()),
        }
    }
    left_out.log(location, table);
    values
}

/// The rows of one answer that cannot be read: their number, and the error of the first one.
#[derive(Default)]
pub(super) struct UnreadableRows {
    rows: usize,
    first: Option<String>,
}

impl UnreadableRows {
    pub(super) fn add(&mut self, error: impl FnOnce() -> String) {
        self.rows += 1;
        self.first.get_or_insert_with(error);
    }

    /// Writes at most one message every ten seconds about each table, as every read meets the same rows.
    pub(super) fn log(self, location: &str, table: &'static str) {
        static THROTTLES: Mutex<BTreeMap<&str, LogThrottle>> = Mutex::new(BTreeMap::new());
        let Self { rows: left_out, first: Some(error) } = self else { return };
        let mut throttles = THROTTLES.lock();
        if let Some(suppressed) = throttles.entry(table).or_default().allow_now() {
            tracing::error!(location, table, left_out, suppressed, %error, "left out rows that cannot be read; the error is that of the first of them");
        }
    }
}

/// A type that both drivers read in the same way.
pub(super) trait Portable:
    for<'r> Decode<'r, Postgres> + Type<Postgres> + for<'r> Decode<'r, Sqlite> + Type<Sqlite>
{
}

impl<T> Portable for T where
    T: for<'r> Decode<'r, Postgres> + Type<Postgres> + for<'r> Decode<'r, Sqlite> + Type<Sqlite>
{
}

/// A row of either database. PostgreSQL has types of its own for dates, instants and UUIDs; SQLite keeps them as text.
pub(super) trait Columns {
    fn get<T: Portable>(&self, column: &'static str) -> Result<T, sqlx::Error>;
    fn optional_text(&self, column: &'static str) -> Result<Option<&str>, sqlx::Error>;
    fn optional_date(&self, column: &'static str) -> Result<Option<Date>, sqlx::Error>;
    fn optional_instant(&self, column: &'static str) -> Result<Option<Timestamp>, sqlx::Error>;
    fn optional_uuid(&self, column: &'static str) -> Result<Option<Uuid>, sqlx::Error>;
    /// A list of names: an array on PostgreSQL, a text with spaces between the names on SQLite.
    fn names(&self, column: &'static str) -> Result<Vec<String>, sqlx::Error>;

    fn text(&self, column: &'static str) -> Result<&str, sqlx::Error> {
        not_null(column, self.optional_text(column)?)
    }

    fn date(&self, column: &'static str) -> Result<Date, sqlx::Error> {
        not_null(column, self.optional_date(column)?)
    }

    fn instant(&self, column: &'static str) -> Result<Timestamp, sqlx::Error> {
        not_null(column, self.optional_instant(column)?)
    }

    fn uuid(&self, column: &'static str) -> Result<Uuid, sqlx::Error> {
        not_null(column, self.optional_uuid(column)?)
    }

    /// A text that holds something with a standard notation, such as a decimal.
    fn optional_parsed<T>(&self, column: &'static str) -> Result<Option<T>, sqlx::Error>
    where
        T: FromStr<Err: Error + Send + Sync + 'static>,
    {
        let text = self.optional_text(column)?;
        text.map(str::parse).transpose().map_err(|error: T::Err| undecodable(column, error))
    }

    fn parsed<T>(&self, column: &'static str) -> Result<T, sqlx::Error>
    where
        T: FromStr<Err: Error + Send + Sync + 'static>,
    {
        not_null(column, self.optional_parsed(column)?)
    }

    /// A text that holds the name of a variant.
    fn variant<T: FromStr>(&self, column: &'static str) -> Result<T, sqlx::Error> {
        let name = self.text(column)?;
        name.parse().map_err(|_| undecodable(column, format!("`{name}` is not one of the known values")))
    }

    /// An integer that is not negative.
    fn count<T>(&self, column: &'static str) -> Result<T, sqlx::Error>
    where
        T: TryFrom<i64, Error: Error + Send + Sync + 'static>,
    {
        T::try_from(self.get(column)?).map_err(|error| undecodable(column, error))
    }

    fn optional_object(&self, column: &'static str) -> Result<Option<Map<String, Value>>, sqlx::Error> {
        match self.get(column)? {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(other) => Err(undecodable(column, format!("not an object: {other}"))),
        }
    }

    fn object(&self, column: &'static str) -> Result<Map<String, Value>, sqlx::Error> {
        not_null(column, self.optional_object(column)?)
    }
}

impl Columns for PgRow {
    fn get<T: Portable>(&self, column: &'static str) -> Result<T, sqlx::Error> {
        self.try_get(column)
    }

    fn optional_text(&self, column: &'static str) -> Result<Option<&str>, sqlx::Error> {
        self.try_get(column)
    }

    fn optional_date(&self, column: &'static str) -> Result<Option<Date>, sqlx::Error> {
        Ok(self.try_get::<Option<jiff_sqlx::Date>, _>(column)?.map(jiff_sqlx::Date::to_jiff))
    }

    fn optional_instant(&self, column: &'static str) -> Result<Option<Timestamp>, sqlx::Error> {
        Ok(self.try_get::<Option<jiff_sqlx::Timestamp>, _>(column)?.map(jiff_sqlx::Timestamp::to_jiff))
    }

    fn optional_uuid(&self, column: &'static str) -> Result<Option<Uuid>, sqlx::Error> {
        self.try_get(column)
    }

    fn names(&self, column: &'static str) -> Result<Vec<String>, sqlx::Error> {
        self.try_get(column)
    }
}

impl Columns for SqliteRow {
    fn get<T: Portable>(&self, column: &'static str) -> Result<T, sqlx::Error> {
        self.try_get(column)
    }

    fn optional_text(&self, column: &'static str) -> Result<Option<&str>, sqlx::Error> {
        self.try_get(column)
    }

    fn optional_date(&self, column: &'static str) -> Result<Option<Date>, sqlx::Error> {
        self.optional_parsed(column)
    }

    fn optional_instant(&self, column: &'static str) -> Result<Option<Timestamp>, sqlx::Error> {
        self.optional_parsed(column)
    }

    fn optional_uuid(&self, column: &'static str) -> Result<Option<Uuid>, sqlx::Error> {
        self.optional_parsed(column)
    }

    fn names(&self, column: &'static str) -> Result<Vec<String>, sqlx::Error> {
        Ok(self.text(column)?.split(' ').map(str::to_owned).collect())
    }
}

fn not_null<T>(column: &'static str, value: Option<T>) -> Result<T, sqlx::Error> {
    value.ok_or_else(|| undecodable(column, UnexpectedNullError))
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
