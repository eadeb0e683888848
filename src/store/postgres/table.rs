//! Rows of Daymark's tables as JSON, made by the server.

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Row};

use super::PostgresStore;
use crate::store::{
    StoreError, TablePage, TableQuery, Tables,
    table::{ColumnKind, Dialect, Parameter, Statement, StoreColumn, Value},
};

struct Postgres;

/// The type of a column, as a cast names it.
fn type_name(column: &StoreColumn) -> &'static str {
    match column.kind {
        ColumnKind::Text => "TEXT",
        ColumnKind::Date => "DATE",
        ColumnKind::Instant => "TIMESTAMPTZ",
        ColumnKind::Decimal => "NUMERIC",
        ColumnKind::Integer => "BIGINT",
        ColumnKind::Boolean => "BOOLEAN",
        ColumnKind::Uuid => "UUID",
        ColumnKind::Object => "JSONB",
    }
}

impl Dialect for Postgres {
    const OBJECT: &'static str = "json_build_object";
    const JOIN: &'static str = "string_agg";

    fn json(_: &StoreColumn, source: &str) -> String {
        source.to_owned()
    }

    fn json_text(_: &StoreColumn, source: &str) -> String {
        format!("CAST({source} AS TEXT)")
    }

    fn comparable(column: &StoreColumn) -> String {
        match column.kind {
            // Text is compared by its bytes and not by the collation of the database.
            ColumnKind::Text => format!("{} COLLATE \"C\"", column.name),
            _ => column.name.to_owned(),
        }
    }

    /// Equal texts have equal bytes in every collation that a column has by default.
    fn equatable(column: &StoreColumn) -> String {
        column.name.to_owned()
    }

    fn parameter(column: &StoreColumn, number: usize) -> String {
        format!("CAST(${number}::TEXT AS {})", type_name(column))
    }

    fn one_of(column: &StoreColumn, number: usize) -> String {
        format!("= ANY (CAST(${number}::TEXT[] AS {}[]))", type_name(column))
    }

    fn text_parameter(number: usize) -> String {
        format!("${number}::TEXT")
    }

    fn text(value: &Value) -> String {
        match value {
            Value::Text(text) => text.clone(),
            Value::Date(date) => date.to_string(),
            Value::Instant(instant) => instant.to_string(),
            Value::Decimal(decimal) => decimal.to_string(),
            Value::Integer(integer) => integer.to_string(),
            Value::Boolean(boolean) => boolean.to_string(),
            Value::Uuid(uuid) => uuid.to_string(),
        }
    }

    fn list(values: &[Value]) -> Parameter {
        Parameter::List(values.iter().map(Self::text).collect())
    }
}

#[async_trait]
impl Tables for PostgresStore {
    async fn table(&self, query: &TableQuery) -> Result<TablePage, StoreError> {
        self.retry(|| self.read_page(query)).await
    }
}

impl PostgresStore {
    async fn read_page(&self, query: &TableQuery) -> Result<TablePage, StoreError> {
        let Statement { sql, parameters } = Statement::new::<Postgres>(query, &self.tenant);
        let mut statement = sqlx::query(AssertSqlSafe(sql));
        for parameter in parameters {
            statement = match parameter {
                Parameter::Text(text) => statement.bind(text),
                Parameter::List(texts) => statement.bind(texts),
            };
        }
        let columns = statement.fetch_one(self.pool().await?).await.map_err(|error| self.failed(error))?;
        let page = || -> Result<_, sqlx::Error> {
            let rows: i64 = columns.try_get("row_count")?;
            let total: Option<i64> = columns.try_get_unchecked("total")?;
            Ok(TablePage {
                json: columns.try_get("page")?,
                rows: rows.unsigned_abs(),
                total: total.map(i64::unsigned_abs),
            })
        };
        page().map_err(|error| self.failed(error))
    }
}
