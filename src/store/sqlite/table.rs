//! Rows of Daymark's tables as JSON, made by SQLite.

use std::cmp::Ordering;

use async_trait::async_trait;
use serde_json::json;
use sqlx::{AssertSqlSafe, Row};

use super::{SqliteStore, text};
use crate::store::{
    StoreError, TablePage, TableQuery, Tables,
    table::{Column, ColumnKind, Dialect, Parameter, Statement, Value},
};

/// The collation by which exact decimals, which are kept as text, compare as numbers.
pub(super) const DECIMAL_COLLATION: &str = "daymark_decimal";

struct Sqlite;

impl Dialect for Sqlite {
    const OBJECT: &'static str = "json_object";
    const ARRAY: &'static str = "json_group_array";

    fn json(column: &Column, source: &str) -> String {
        match column.kind {
            // Text that is JSON already: the digits stay as they are.
            ColumnKind::Decimal | ColumnKind::Object => format!("json({source})"),
            ColumnKind::Boolean => format!("json(iif({source}, 'true', 'false'))"),
            // As PostgreSQL writes it: with as many digits of the second as it has, and an offset.
            ColumnKind::Instant => {
                format!("rtrim(rtrim(substr({source}, 1, 26), '0'), '.') || '+00:00'")
            }
            ColumnKind::Text | ColumnKind::Date | ColumnKind::Integer | ColumnKind::Uuid => source.to_owned(),
        }
    }

    fn json_text(column: &Column, source: &str) -> String {
        match column.kind {
            ColumnKind::Boolean => format!("iif({source}, 'true', 'false')"),
            _ => format!("CAST({source} AS TEXT)"),
        }
    }

    fn comparable(column: &Column) -> String {
        match column.kind {
            ColumnKind::Decimal => format!("{} COLLATE {DECIMAL_COLLATION}", column.name),
            _ => column.name.to_owned(),
        }
    }

    fn parameter(column: &Column, number: usize) -> String {
        match column.kind {
            ColumnKind::Integer | ColumnKind::Boolean => format!("CAST(?{number} AS INTEGER)"),
            _ => format!("?{number}"),
        }
    }

    fn one_of(_: &Column, number: usize) -> String {
        format!("IN (SELECT value FROM json_each(?{number}))")
    }

    fn text_parameter(number: usize) -> String {
        format!("?{number}")
    }

    fn text(value: &Value) -> String {
        match value {
            Value::Text(text) => text.clone(),
            Value::Date(date) => date.to_string(),
            Value::Instant(instant) => text(*instant),
            Value::Decimal(decimal) => decimal.to_string(),
            Value::Integer(integer) => integer.to_string(),
            Value::Boolean(boolean) => i32::from(*boolean).to_string(),
            Value::Uuid(uuid) => uuid.to_string(),
        }
    }

    fn list(values: &[Value]) -> Parameter {
        let json = |value: &Value| match value {
            Value::Integer(integer) => json!(integer),
            Value::Boolean(boolean) => json!(i32::from(*boolean)),
            other => json!(Self::text(other)),
        };
        Parameter::Text(values.iter().map(json).collect::<serde_json::Value>().to_string())
    }
}

#[async_trait]
impl Tables for SqliteStore {
    async fn table(&self, query: &TableQuery) -> Result<TablePage, StoreError> {
        self.retry(|| self.read_page(query)).await
    }
}

impl SqliteStore {
    async fn read_page(&self, query: &TableQuery) -> Result<TablePage, StoreError> {
        let Statement { sql, parameters } = Statement::new::<Sqlite>(query, &self.tenant);
        let mut statement = sqlx::query(AssertSqlSafe(sql));
        for parameter in parameters {
            statement = match parameter {
                Parameter::Text(text) => statement.bind(text),
                Parameter::List(texts) => statement.bind(json!(texts).to_string()),
            };
        }
        let columns = statement.fetch_one(self.pool().await?).await.map_err(|error| self.failed(error))?;
        let page = || -> Result<_, sqlx::Error> {
            let rows: i64 = columns.try_get("row_count")?;
            let total: Option<i64> = columns.try_get("total")?;
            Ok(TablePage {
                json: columns.try_get("page")?,
                rows: rows.unsigned_abs(),
                total: total.map(i64::unsigned_abs),
            })
        };
        page().map_err(|error| self.failed(error))
    }
}

/// How two decimals compare as numbers, given as the tables hold them: digits, with at most a minus before and a point
/// within. Any other text compares by its parts in the same way, so that the order is total whatever there is.
pub(super) fn compare_decimals(left: &str, right: &str) -> Ordering {
    let (left_sign, left) = Magnitude::of(left);
    let (right_sign, right) = Magnitude::of(right);
    match (left_sign, right_sign) {
        (1, 1) => left.compare(&right),
        (-1, -1) => right.compare(&left),
        _ => left_sign.cmp(&right_sign),
    }
}

/// The digits of a decimal, without those that make no difference.
struct Magnitude<'a> {
    integer: &'a str,
    fraction: &'a str,
}

impl<'a> Magnitude<'a> {
    /// The sign (-1, 0 or 1) and the rest.
    fn of(text: &'a str) -> (i8, Self) {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (integer, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let magnitude =
            Self { integer: integer.trim_start_matches('0'), fraction: fraction.trim_end_matches('0') };
        let is_zero = magnitude.integer.is_empty() && magnitude.fraction.is_empty();
        let sign = match (is_zero, negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        (sign, magnitude)
    }

    fn compare(&self, other: &Self) -> Ordering {
        let integers = self.integer.len().cmp(&other.integer.len());
        // A fraction that begins the other is the smaller one, as text has it.
        integers.then_with(|| self.integer.cmp(other.integer)).then_with(|| self.fraction.cmp(other.fraction))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metric::Decimal;

    proptest! {
        #[test]
        fn decimals_compare_as_numbers(
            left in "-?[0-9]{1,25}(\\.[0-9]{1,12})?",
            right in "-?[0-9]{1,3}(\\.[0-9]{1,3})?",
        ) {
            let number = |text: &str| text.parse::<Decimal>().unwrap();
            prop_assert_eq!(compare_decimals(&left, &right), number(&left).cmp(&number(&right)));
            prop_assert_eq!(compare_decimals(&right, &left), number(&right).cmp(&number(&left)));
            let short = &right[..];
            prop_assert_eq!(compare_decimals(short, &format!("{short}{}", if short.contains('.') { "000" } else { ".0" })), Ordering::Equal);
        }
    }
}
