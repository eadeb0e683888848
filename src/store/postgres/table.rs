//! How PostgreSQL makes JSON of rows, and compares their columns.

use super::PostgresStore;
use crate::store::{
    entities::TableDialect,
    statement::Argument,
    table::{ColumnKind, StoreColumn, Value},
};

/// The type of a column, as a cast names it.
fn type_name(column: &StoreColumn) -> &'static str {
    match column.kind {
        ColumnKind::Text => "TEXT",
        ColumnKind::Date => "DATE",
        ColumnKind::Instant => "TIMESTAMPTZ",
        ColumnKind::Decimal => "NUMERIC",
        ColumnKind::Integer => "BIGINT",
        ColumnKind::Boolean => "BOOLEAN",
        ColumnKind::Uuid => "UUID",
        ColumnKind::Object => "JSONB",
    }
}

impl TableDialect for PostgresStore {
    const OBJECT: &'static str = "json_build_object";
    const JOIN: &'static str = "string_agg";
    const JSON: &'static str = "JSON";
    /// The members are in the order of the answers of the API.
    const JUDGEMENT: &'static str = "
        json_build_object('verdict', judged.verdict, 'reason', judged.reason, 'expected_low', judged.expected_low,
        'expected_high', judged.expected_high, 'score', judged.score, 'baseline_days', judged.baseline_days,
        'baseline_from', judged.baseline_from, 'baseline_to', judged.baseline_to, 'judge_version', judged.judge_version)";

    fn json(_: &StoreColumn, source: &str) -> String {
        source.to_owned()
    }

    fn json_text(_: &StoreColumn, source: &str) -> String {
        format!("CAST({source} AS TEXT)")
    }

    fn comparable(column: &StoreColumn) -> String {
        match column.kind {
            // Text is compared by its bytes and not by the collation of the database.
            ColumnKind::Text => format!("{} COLLATE \"C\"", column.name),
            _ => column.name.to_owned(),
        }
    }

    /// Equal texts have equal bytes in every collation that a column has by default.
    fn equatable(column: &StoreColumn) -> String {
        column.name.to_owned()
    }

    fn parameter(column: &StoreColumn, number: usize) -> String {
        format!("CAST(${number}::TEXT AS {})", type_name(column))
    }

    fn one_of(column: &StoreColumn, number: usize) -> String {
        format!("= ANY (CAST(${number}::TEXT[] AS {}[]))", type_name(column))
    }

    fn text_parameter(number: usize) -> String {
        format!("${number}::TEXT")
    }

    fn text(value: &Value) -> String {
        match value {
            Value::Text(text) => text.clone(),
            Value::Date(date) => date.to_string(),
            Value::Instant(instant) => instant.to_string(),
            Value::Decimal(decimal) => decimal.to_string(),
            Value::Integer(integer) => integer.to_string(),
            Value::Boolean(boolean) => boolean.to_string(),
            Value::Uuid(uuid) => uuid.to_string(),
        }
    }

    fn list(values: &[Value]) -> Argument<'static> {
        Argument::Texts(values.iter().map(Self::text).collect())
    }
}
