//! What the query of a source returns on SQLite: its columns. The type of a computed one is not known.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, Column as _, Row, SqliteConnection, TypeInfo};

use crate::{
    database::{Fault, FaultClass},
    platform::{
        planner::{
            dialect::{Dialect, bracketed},
            single_select::require_single_select,
        },
        schema::{Column, ColumnType, DescribedQuery, Table},
    },
};

/// # Errors
/// When the file cannot be read.
pub(super) async fn describe(
    connection: &mut SqliteConnection,
    queries: &BTreeSet<String>,
) -> Result<Vec<DescribedQuery>, Fault> {
    let mut described = Vec::with_capacity(queries.len());
    for sql in queries {
        let table = match columns_of(connection, sql).await {
            Ok(columns) => Ok(Table::of_query(sql, "", columns)),
            Err(fault) if fault.class == FaultClass::Sql => Err(fault.message),
            Err(fault) => return Err(fault),
        };
        described.push(DescribedQuery { sql: sql.clone(), table });
    }
    Ok(described)
}

async fn columns_of(connection: &mut SqliteConnection, sql: &str) -> Result<Vec<Column>, Fault> {
    require_single_select(Dialect::Sqlite, sql.trim().trim_end_matches(';'))?;
    // One row, in which every column is NULL. The query is compiled and not run.
    let statement = format!(
        "SELECT daymark_source.* FROM (SELECT 1) AS daymark_one \
         LEFT JOIN (SELECT * FROM {} LIMIT 0) AS daymark_source ON TRUE",
        bracketed(sql)
    );
    let row = sqlx::query(AssertSqlSafe(statement)).persistent(false).fetch_one(connection).await?;
    // A column that is declared as a text has nothing else, and numbers that are written as texts do not add up. Other declared
    // types leave open what a column has.
    let column = |column: &sqlx::sqlite::SqliteColumn| match column.type_info().name() {
        "TEXT" => Column::of_query(column.name(), ColumnType::Text, "TEXT"),
        _ => Column::of_query(column.name(), ColumnType::Other, ""),
    };
    Ok(row.columns().iter().map(column).collect())
}
