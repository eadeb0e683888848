//! Rows of Daymark's tables as JSON, made by the database.

use async_trait::async_trait;

use super::table_statement::{TableDialect, page};
use crate::store::{
    StoreError, TablePage, TableQuery, Tables,
    row::Columns,
    sql_store::{SqlStore, retry},
};

#[async_trait]
impl<S: SqlStore + TableDialect> Tables for S {
    async fn table(&self, query: &TableQuery) -> Result<TablePage, StoreError> {
        let select = page::<S>(query, self.tenant());
        let rows = retry(self, || self.fetch(&select)).await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound);
        row.and_then(table_page).map_err(|error| self.failed(error))
    }
}

fn table_page(row: &impl Columns) -> Result<TablePage, sqlx::Error> {
    let (rows, total): (i64, Option<i64>) = (row.get("row_count")?, row.get("total")?);
    Ok(TablePage { json: row.get("page")?, rows: rows.unsigned_abs(), total: total.map(i64::unsigned_abs) })
}
