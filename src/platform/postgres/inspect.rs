//! The tables and views of a PostgreSQL platform.

use sqlx::{PgConnection, Row};

use crate::{
    database::Fault,
    platform::schema::{Column, ColumnType, ForeignKey, Schema, Table, TableKind},
};

/// The foreign keys of one column. Those of partitions are those of the table that they are partitions of.
const FOREIGN_KEYS: &str = "
    SELECT n.nspname, c.relname, a.attname, rn.nspname, r.relname, ra.attname
    FROM pg_constraint AS k
    JOIN pg_class AS c ON c.oid = k.conrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.conkey[1]
    JOIN pg_class AS r ON r.oid = k.confrelid
    JOIN pg_namespace AS rn ON rn.oid = r.relnamespace
    JOIN pg_attribute AS ra ON ra.attrelid = r.oid AND ra.attnum = k.confkey[1]
    WHERE k.contype = 'f' AND cardinality(k.conkey) = 1 AND k.conparentid = 0
    ORDER BY k.conrelid, k.conkey, k.oid";

pub(super) async fn inspect(connection: &mut PgConnection) -> Result<Schema, Fault> {
    let rows = sqlx::query(include_str!("inspect.sql")).persistent(false).fetch_all(&mut *connection).await?;
    let mut schema = Schema { foreign_keys: foreign_keys(connection).await?, ..Schema::default() };
    for row in rows {
        let (schema_name, name): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let known = schema.tables.last().is_some_and(|last| last.schema == schema_name && last.name == name);
        if !known {
            let (visible, readable) = (row.try_get(2)?, row.try_get(3)?);
            let (row_security, of_extension) = (row.try_get(10)?, row.try_get(11)?);
            schema.tables.push(Table {
                schema: schema_name,
                name,
                visible,
                readable,
                row_security,
                kind: kind(row.try_get(13)?),
                of_extension,
                columns: Vec::new(),
            });
        }
        if let Some(table) = schema.tables.last_mut() {
            table.columns.push(column(&row)?);
        }
    }
    Ok(schema)
}

async fn foreign_keys(connection: &mut PgConnection) -> Result<Vec<ForeignKey>, Fault> {
    let rows = sqlx::query(FOREIGN_KEYS).persistent(false).fetch_all(connection).await?;
    let key = |row: &sqlx::postgres::PgRow| {
        Ok::<_, Fault>(ForeignKey {
            schema: row.try_get(0)?,
            table: row.try_get(1)?,
            column: row.try_get(2)?,
            to_schema: row.try_get(3)?,
            to_table: row.try_get(4)?,
            to_column: row.try_get(5)?,
        })
    };
    rows.iter().map(key).collect()
}

fn kind(relkind: &str) -> TableKind {
    match relkind {
        "m" => TableKind::MaterializedView,
        "f" => TableKind::ForeignTable,
        _ => TableKind::Current,
    }
}

/// The type of a column, by the name of its base type in the catalog.
pub(super) fn column_type(base_type: &str) -> ColumnType {
    match base_type {
        "timestamptz" => ColumnType::Timestamptz,
        "timestamp" => ColumnType::Timestamp,
        "date" => ColumnType::Date,
        "int2" | "int4" | "int8" => ColumnType::Integer,
        "numeric" | "float4" | "float8" => ColumnType::Number,
        "bool" => ColumnType::Boolean,
        "text" | "varchar" | "bpchar" | "name" | "citext" => ColumnType::Text,
        "uuid" => ColumnType::Uuid,
        _ => ColumnType::Other,
    }
}

fn column(row: &sqlx::postgres::PgRow) -> Result<Column, Fault> {
    let base_type: String = row.try_get(6)?;
    let estimate: Option<f64> = row.try_get(9)?;
    Ok(Column {
        name: row.try_get(4)?,
        column_type: if row.try_get(14)? { ColumnType::Enumeration } else { column_type(&base_type) },
        type_name: row.try_get(5)?,
        nullable: row.try_get(7)?,
        defaults_to_now: row.try_get(12)?,
        indexed: row.try_get(8)?,
        distinct_estimate: estimate
            .filter(|estimate| *estimate >= 1.0)
            .map(|estimate| estimate.round() as u64),
    })
}
