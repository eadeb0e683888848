//! What the query of a source returns on SQLite: its columns, whose types are not known.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, Column as _, Row, SqliteConnection};

use crate::{
    database::{Fault, FaultClass},
    platform::{
        planner::{dialect::bracketed, single_select::require_single_select},
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
    require_single_select(sql.trim().trim_end_matches(';'))?;
    // One row, in which every column is NULL. The query is compiled and not run.
    let statement = format!(
        "SELECT daymark_source.* FROM (SELECT 1) AS daymark_one \
         LEFT JOIN (SELECT * FROM {} LIMIT 0) AS daymark_source ON TRUE",
        bracketed(sql)
    );
    let row = sqlx::query(AssertSqlSafe(statement)).persistent(false).fetch_one(connection).await?;
    let names = row.columns().iter().map(|column| column.name().to_owned());
    Ok(names.map(|name| Column::of_query(&name, ColumnType::Other, "")).collect())
}
