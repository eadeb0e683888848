//! The definitions: a metric a row, active or not, in its current version.

use super::table::{Cell, ColumnType, ExportColumn, OnePage, Row, optional, required};
use crate::query::{DefinitionEntry, DefinitionsResponse};

const COLUMNS: &[ExportColumn] = &[
    required("metric_type", ColumnType::Text),
    required("metric_category", ColumnType::Text),
    required("display_name", ColumnType::Text),
    required("description", ColumnType::Text),
    required("unit", ColumnType::Text),
    required("format_pattern", ColumnType::Text),
    required("is_active", ColumnType::Boolean),
    required("origin", ColumnType::Text),
    required("version", ColumnType::Number),
    required("roll_up", ColumnType::Text),
    optional("expected_min", ColumnType::Decimal),
    optional("expected_max", ColumnType::Decimal),
    required("time_zone", ColumnType::Text),
    required("created_at", ColumnType::Instant),
];

pub(super) fn pages(answer: DefinitionsResponse) -> OnePage {
    OnePage::new(COLUMNS, answer.definitions.into_iter().map(row).collect())
}

fn row(definition: DefinitionEntry) -> Row {
    vec![
        Cell::Word(definition.metric_type.name()),
        Cell::Text(definition.metric_category),
        Cell::Text(definition.display_name),
        Cell::Text(definition.description),
        Cell::Text(definition.unit),
        Cell::Text(definition.format_pattern),
        Cell::Boolean(definition.is_active),
        Cell::Word(definition.origin),
        Cell::Integer(definition.version.into()),
        Cell::Word(definition.roll_up.name()),
        Cell::or_none(definition.expected_min, Cell::Decimal),
        Cell::or_none(definition.expected_max, Cell::Decimal),
        Cell::Text(definition.time_zone),
        Cell::Instant(definition.created_at),
    ]
}
