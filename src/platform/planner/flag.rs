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

/// The statement, which returns a row if the flag is set, and the value to bind to it; `None` when no row can have that id.
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
    // SQLite has no booleans: any value is compared with true.
    if dialect == Dialect::Postgres && flag_column.column_type != ColumnType::Boolean {
        let (name, column_type) = (&flag_column.name, &flag_column.type_name);
        return Err(wrong(format!("the column `{table_name}.{name}` is {column_type}, not boolean")));
    }
    let id = match (dialect, id_column.column_type) {
        (Dialect::Sqlite, _) | (_, ColumnType::Text) => Some(RowId::Text(id)),
        // Only as the column itself would be written: `01` is not the id 1.
        (_, ColumnType::Uuid) => {
            Uuid::try_parse(id).ok().filter(|uuid| uuid.to_string().eq_ignore_ascii_case(id)).map(RowId::Uuid)
        }
        (_, ColumnType::Integer) => {
            id.parse::<i64>().ok().filter(|number| number.to_string() == id).map(RowId::Integer)
        }
        _ => return Err(wrong(format!("the column `{table_name}.{ID}` is {}", id_column.type_name))),
    };
    let id_name = dialect.name(ID);
    let is_row = match dialect {
        Dialect::Postgres => format!("{id_name} = $1"),
        // The first condition serves an index. Where the column's affinity is numeric, it holds for `01` and 1, too.
        Dialect::Sqlite => format!("{id_name} = ?1 AND CAST({id_name} AS TEXT) = ?1"),
    };
    let sql = format!(
        "SELECT 1 FROM {} WHERE {is_row} AND {} IS TRUE LIMIT 1",
        dialect.qualified(&table.schema, &table.name),
        dialect.name(&flag_column.name),
    );
    Ok(id.map(|id| (sql, id)))
}
