//! The tables and views of a SQLite platform.

use sqlx::{Row, SqliteConnection};

use crate::{
    database::{Fault, FaultClass},
    platform::schema::{Column, ColumnType, ForeignKey, Schema, Table, TableKind},
};

const NAMES: &str = "
SELECT name FROM sqlite_schema
WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
ORDER BY name";

/// A row a column, of the table that is named or of all. A usable index starts with the column and has all of
/// its values, as a partial one does `WHERE column IS NOT NULL`; a rowid alias is one by itself.
const COLUMNS: &str = "
SELECT t.name, c.name, c.type, NOT c.\"notnull\" AND NOT c.pk,
       EXISTS (
           SELECT 1 FROM pragma_index_list(t.name) AS l, pragma_index_info(l.name) AS i
           WHERE i.seqno = 0 AND i.cid = c.cid AND (l.partial = 0 OR (
               SELECT replace(replace(replace(replace(replace(lower(x.sql), '\"', ''), '`', ''), '[', ''), ']', ''), '(', ' ')
               FROM sqlite_schema AS x WHERE x.type = 'index' AND x.name = l.name
           ) LIKE '%where ' || lower(c.name) || ' is not null')
       ) OR (c.pk = 1 AND upper(c.type) = 'INTEGER'),
       coalesce(upper(c.dflt_value), '') GLOB '*CURRENT_*' OR coalesce(lower(c.dflt_value), '') GLOB '*now*'
       OR coalesce(lower(c.dflt_value), '') GLOB '*unixepoch*'
FROM sqlite_schema AS t, pragma_table_xinfo(t.name) AS c
WHERE t.type IN ('table', 'view') AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
      AND (?1 IS NULL OR t.name = ?1)
ORDER BY t.name, c.cid";

/// The foreign keys of one column, in the order of their declaration. One that names no column of the other table refers to its primary key.
const FOREIGN_KEYS: &str = "
SELECT t.name, f.\"from\", r.name,
       coalesce(f.\"to\", (SELECT c.name FROM pragma_table_info(r.name) AS c WHERE c.pk = 1), 'rowid')
FROM sqlite_schema AS t, pragma_foreign_key_list(t.name) AS f, sqlite_schema AS r
WHERE t.type = 'table' AND r.type = 'table' AND lower(r.name) = lower(f.\"table\")
GROUP BY t.name, f.id HAVING count(*) = 1
ORDER BY t.name, f.id DESC";

pub async fn inspect(connection: &mut SqliteConnection) -> Result<Schema, Fault> {
    match tables(connection, None).await {
        Err(fault) if fault.class == FaultClass::Sql => one_by_one(connection).await,
        other => {
            let foreign_keys = foreign_keys(connection).await?;
            Ok(Schema { tables: other?, foreign_keys, ..Schema::default() })
        }
    }
}

/// A view whose table was dropped has no columns, and querying them fails. That must not hide other tables.
async fn one_by_one(connection: &mut SqliteConnection) -> Result<Schema, Fault> {
    let mut schema = Schema::default();
    let names: Vec<String> = sqlx::query_scalar(NAMES).persistent(false).fetch_all(&mut *connection).await?;
    for name in names {
        match tables(connection, Some(&name)).await {
            Err(fault) if fault.class == FaultClass::Sql => schema.tables.push(without_columns(name)),
            found => schema.tables.extend(found?),
        }
    }
    Ok(schema)
}

async fn foreign_keys(connection: &mut SqliteConnection) -> Result<Vec<ForeignKey>, Fault> {
    let rows = sqlx::query(FOREIGN_KEYS).persistent(false).fetch_all(connection).await?;
    let key = |row: &sqlx::sqlite::SqliteRow| {
        Ok::<_, Fault>(ForeignKey {
            schema: String::new(),
            table: row.try_get(0)?,
            column: row.try_get(1)?,
            to_schema: String::new(),
            to_table: row.try_get(2)?,
            to_column: row.try_get(3)?,
        })
    };
    rows.iter().map(key).collect()
}

fn without_columns(name: String) -> Table {
    Table {
        schema: String::new(),
        name,
        visible: true,
        readable: true,
        row_security: false,
        kind: TableKind::Current,
        of_extension: false,
        columns: Vec::new(),
    }
}

async fn tables(connection: &mut SqliteConnection, named: Option<&str>) -> Result<Vec<Table>, Fault> {
    let mut tables: Vec<Table> = Vec::new();
    for row in sqlx::query(COLUMNS).bind(named).persistent(false).fetch_all(connection).await? {
        let name: String = row.try_get(0)?;
        if tables.last().is_none_or(|last| last.name != name) {
            tables.push(without_columns(name));
        }
        let type_name: String = row.try_get(2)?;
        let column = Column {
            name: row.try_get(1)?,
            column_type: column_type(&type_name),
            type_name,
            nullable: row.try_get(3)?,
            defaults_to_now: row.try_get(5)?,
            indexed: row.try_get(4)?,
            distinct_estimate: None,
        };
        if let Some(table) = tables.last_mut() {
            table.columns.push(column);
        }
    }
    Ok(tables)
}

/// SQLite accepts any name for a type; these are the common ones. A time may be stored in any way, so its type is
/// `Other`, as is that of a column without a type.
fn column_type(name: &str) -> ColumnType {
    let name = name.to_ascii_uppercase();
    let has = |part: &str| name.contains(part);
    if has("DATE") || has("TIME") || name.is_empty() {
        ColumnType::Other
    } else if has("BOOL") {
        ColumnType::Boolean
    } else if has("INT") {
        ColumnType::Integer
    } else if has("CHAR") || has("CLOB") || has("TEXT") {
        ColumnType::Text
    } else if has("UUID") {
        ColumnType::Uuid
    } else if ["REAL", "FLOA", "DOUB", "NUM", "DEC"].iter().any(|part| has(part)) {
        ColumnType::Number
    } else {
        ColumnType::Other
    }
}
