//! The statement that reads a [`Flag`].

use uuid::Uuid;

use super::dialect::Dialect;
use crate::{
    database::{Fault, FaultClass},
    platform::{
        contract::Flag,
        schema::{ColumnType, Schema},
    },
};

/// The column by which the row is found.
const ID: &str = "id";

/// The id in the type of its column, so that an index on that serves.
#[derive(Debug, PartialEq)]
pub enum RowId<'a> {
    Uuid(Uuid),
    Integer(i64),
    Text(&'a str),
}

/// The statement, which has a row if the flag is set, and what to bind to it; `None` when no row can have that id.
///
/// # Errors
/// When the platform has no such table or column, or they are of types that do not fit.
pub fn statement<'a>(
    dialect: Dialect,
    schema: &Schema,
    flag: Flag<'_>,
    id: &'a str,
) -> Result<Option<(String, RowId<'a>)>, Fault> {
    let wrong =
        |what: String| Fault::new(FaultClass::Sql, format!("{what}; see the setting `access.admin_column`"));
    let Flag { table: table_name, column: column_name } = flag;
    let table =
        schema.table(None, table_name).ok_or_else(|| wrong(format!("there is no table `{table_name}`")))?;
    let column = |name: &str| {
        table.column(name).ok_or_else(|| wrong(format!("the table `{table_name}` has no column `{name}`")))
    };
    let (id_column, flag_column) = (column(ID)?, column(column_name)?);
    // SQLite has no booleans: whatever is stored is taken for one.
    if dialect == Dialect::Postgres && flag_column.column_type != ColumnType::Boolean {
        let (name, column_type) = (&flag_column.name, &flag_column.type_name);
        return Err(wrong(format!("the column `{table_name}.{name}` is {column_type}, not boolean")));
    }
    let id = match (dialect, id_column.column_type) {
        (Dialect::Sqlite, _) | (_, ColumnType::Text) => Some(RowId::Text(id)),
        (_, ColumnType::Uuid) => Uuid::try_parse(id).ok().map(RowId::Uuid),
        (_, ColumnType::Integer) => id.parse().ok().map(RowId::Integer),
        _ => return Err(wrong(format!("the column `{table_name}.{ID}` is {}", id_column.type_name))),
    };
    let placeholder = if dialect == Dialect::Postgres { "$1" } else { "?1" };
    let sql = format!(
        "SELECT 1 FROM {} WHERE {} = {placeholder} AND {} IS TRUE LIMIT 1",
        dialect.qualified(&table.schema, &table.name),
        dialect.name(ID),
        dialect.name(&flag_column.name),
    );
    Ok(id.map(|id| (sql, id)))
}
