//! What the query of a source returns on PostgreSQL: its columns and their types.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{Column as _, Row, postgres::PgRow};

use super::{inspect::column_type, session::PostgresSession};
use crate::{
    database::Fault,
    platform::{
        planner::{
            dialect::{Dialect, bracketed},
            session::ends_the_cut,
            single_select::require_single_select,
        },
        schema::{Column, DescribedQuery, Table},
    },
};

/// A schema of no table, as a query has none.
const NO_SCHEMA: &str = "(query)";

/// The names of columns, with the numbers of their types.
type Described = Vec<(String, Option<u32>)>;

impl PostgresSession {
    /// # Errors
    /// When the session is lost.
    pub(super) async fn describe(
        &mut self,
        queries: &BTreeSet<String>,
    ) -> Result<Vec<DescribedQuery>, Fault> {
        let mut described = Vec::with_capacity(queries.len());
        for sql in queries {
            let table = match self.columns_of(sql).await {
                Ok(columns) => Ok(Table::of_query(sql, NO_SCHEMA, columns)),
                Err(fault) if ends_the_cut(&fault) => return Err(fault),
                Err(fault) => Err(fault.message),
            };
            described.push(DescribedQuery { sql: sql.clone(), table });
        }
        Ok(described)
    }

    async fn columns_of(&mut self, sql: &str) -> Result<Vec<Column>, Fault> {
        require_single_select(Dialect::Postgres, sql.trim().trim_end_matches(';'))?;
        let described = self.guarded(of_no_row(sql), names_and_types).await?;
        let described = described.into_iter().next().unwrap_or_default();
        let types = self.types(&described).await?;
        let column = |(name, number): (String, Option<u32>)| {
            let (type_name, base) = number.and_then(|number| types.get(&number)).cloned().unwrap_or_default();
            Column::of_query(&name, column_type(&base), &type_name)
        };
        Ok(described.into_iter().map(column).collect())
    }

    /// The names of types as messages show them and as the catalog has them, by their numbers.
    async fn types(&mut self, described: &Described) -> Result<BTreeMap<u32, (String, String)>, Fault> {
        let numbers: BTreeSet<_> = described.iter().filter_map(|(_, number)| *number).collect();
        let numbers: Vec<_> = numbers.iter().map(u32::to_string).collect();
        let sql = format!(
            "SELECT oid::int8, pg_catalog.format_type(oid, NULL), typname::text FROM pg_catalog.pg_type \
             WHERE oid = ANY ('{{{}}}'::oid[])",
            numbers.join(", ")
        );
        let decode = |row: &PgRow| {
            let number: i64 = row.try_get(0)?;
            Ok((u32::try_from(number).unwrap_or_default(), (row.try_get(1)?, row.try_get(2)?)))
        };
        Ok(self.guarded(sql, decode).await?.into_iter().collect())
    }
}

/// A statement with one row, in which every column of the query is NULL. The query is planned and not run.
fn of_no_row(sql: &str) -> String {
    let query = bracketed(sql);
    format!(
        "SELECT daymark_source.* FROM (SELECT 1) AS daymark_one \
         LEFT JOIN (SELECT * FROM {query} AS daymark_query LIMIT 0) AS daymark_source ON TRUE"
    )
}

fn names_and_types(row: &PgRow) -> Result<Described, sqlx::Error> {
    let column = |column: &sqlx::postgres::PgColumn| {
        (column.name().to_owned(), column.type_info().oid().map(|oid| oid.0))
    };
    Ok(row.columns().iter().map(column).collect())
}
