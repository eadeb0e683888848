//! How SQLite makes JSON of rows, and compares their columns.

use serde_json::json;

use super::{SqliteStore, decimal_order::DECIMAL_COLLATION};
use crate::store::{
    entities::TableDialect,
    instant_text::text,
    statement::Argument,
    table::{ColumnKind, StoreColumn, Value},
};

impl TableDialect for SqliteStore {
    const OBJECT: &'static str = "json_object";
    const JOIN: &'static str = "group_concat";
    const JSON: &'static str = "TEXT";
    /// The members are in the order of the answers of the API.
    const JUDGEMENT: &'static str = "
        json_object('verdict', judged.verdict, 'reason', judged.reason, 'expected_low', json(judged.expected_low),
        'expected_high', json(judged.expected_high), 'score', json(judged.score), 'baseline_days', judged.baseline_days,
        'baseline_from', judged.baseline_from, 'baseline_to', judged.baseline_to, 'judge_version', judged.judge_version)";

    fn json(column: &StoreColumn, source: &str) -> String {
        match column.kind {
            // Text that is JSON already: the digits stay as they are. Other text would fail the whole page.
            ColumnKind::Decimal | ColumnKind::Object => {
                format!("iif(json_valid({source}), json({source}), NULL)")
            }
            ColumnKind::Boolean => format!("json(iif({source}, 'true', 'false'))"),
            // The format is PostgreSQL's: fractional seconds without trailing zeros, and an offset.
            ColumnKind::Instant => {
                format!("rtrim(rtrim(substr({source}, 1, 26), '0'), '.') || '+00:00'")
            }
            ColumnKind::Text | ColumnKind::Date | ColumnKind::Integer | ColumnKind::Uuid => source.to_owned(),
        }
    }

    fn json_text(column: &StoreColumn, source: &str) -> String {
        match column.kind {
            ColumnKind::Boolean => format!("iif({source}, 'true', 'false')"),
            _ => format!("CAST({source} AS TEXT)"),
        }
    }

    fn comparable(column: &StoreColumn) -> String {
        match column.kind {
            ColumnKind::Decimal => format!("{} COLLATE {DECIMAL_COLLATION}", column.name),
            _ => column.name.to_owned(),
        }
    }

    fn equatable(column: &StoreColumn) -> String {
        Self::comparable(column)
    }

    fn parameter(column: &StoreColumn, number: usize) -> String {
        match column.kind {
            ColumnKind::Integer | ColumnKind::Boolean => format!("CAST(?{number} AS INTEGER)"),
            _ => format!("?{number}"),
        }
    }

    fn one_of(_: &StoreColumn, number: usize) -> String {
        format!("IN (SELECT value FROM json_each(?{number}))")
    }

    fn text_parameter(number: usize) -> String {
        format!("?{number}")
    }

    fn text(value: &Value) -> String {
        match value {
            Value::Text(text) => text.clone(),
            Value::Date(date) => date.to_string(),
            Value::Instant(instant) => text(*instant),
            Value::Decimal(decimal) => decimal.to_string(),
            Value::Integer(integer) => integer.to_string(),
            Value::Boolean(boolean) => i32::from(*boolean).to_string(),
            Value::Uuid(uuid) => uuid.to_string(),
        }
    }

    fn list(values: &[Value]) -> Argument<'static> {
        let json = |value: &Value| match value {
            Value::Integer(integer) => json!(integer),
            Value::Boolean(boolean) => json!(i32::from(*boolean)),
            other => json!(Self::text(other)),
        };
        Argument::Text(Some(values.iter().map(json).collect::<serde_json::Value>().to_string().into()))
    }
}
