//! The tables and views of a PostgreSQL platform.

use sqlx::{PgConnection, Row};

use crate::{
    database::Fault,
    platform::schema::{Column, ColumnType, Schema, Table, TableKind},
};

pub(super) async fn inspect(connection: &mut PgConnection) -> Result<Schema, Fault> {
    let rows = sqlx::query(include_str!("inspect.sql")).persistent(false).fetch_all(connection).await?;
    let mut schema = Schema::default();
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

fn kind(relkind: &str) -> TableKind {
    match relkind {
        "m" => TableKind::MaterializedView,
        "f" => TableKind::ForeignTable,
        _ => TableKind::Current,
    }
}

fn column(row: &sqlx::postgres::PgRow) -> Result<Column, Fault> {
    let base_type: String = row.try_get(6)?;
    let column_type = match base_type.as_str() {
        "timestamptz" => ColumnType::Timestamptz,
        "timestamp" => ColumnType::Timestamp,
        "date" => ColumnType::Date,
        "int2" | "int4" | "int8" => ColumnType::Integer,
        "numeric" | "float4" | "float8" => ColumnType::Number,
        "bool" => ColumnType::Boolean,
        "text" | "varchar" | "bpchar" | "name" | "citext" => ColumnType::Text,
        "uuid" => ColumnType::Uuid,
        _ => ColumnType::Other,
    };
    let estimate: Option<f64> = row.try_get(9)?;
    Ok(Column {
        name: row.try_get(4)?,
        column_type,
        type_name: row.try_get(5)?,
        nullable: row.try_get(7)?,
        defaults_to_now: row.try_get(12)?,
        indexed: row.try_get(8)?,
        distinct_estimate: estimate
            .filter(|estimate| *estimate >= 1.0)
            .map(|estimate| estimate.round() as u64),
    })
}
