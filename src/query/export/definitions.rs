//! The definitions: a metric a row, active or not, in its current version.

use super::table::{Cell, ExportColumn, ExportType, OnePage, Row, optional, required};
use crate::query::{DefinitionEntry, DefinitionsResponse};

const COLUMNS: &[ExportColumn] = &[
    required("metric_type", ExportType::Text),
    required("metric_category", ExportType::Text),
    required("display_name", ExportType::Text),
    required("description", ExportType::Text),
    required("unit", ExportType::Text),
    required("format_pattern", ExportType::Text),
    required("is_active", ExportType::Boolean),
    required("origin", ExportType::Text),
    required("version", ExportType::Number),
    required("roll_up", ExportType::Text),
    optional("expected_min", ExportType::Decimal),
    optional("expected_max", ExportType::Decimal),
    required("time_zone", ExportType::Text),
    optional("created_at", ExportType::Instant),
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
        Cell::or_none(definition.created_at, Cell::Instant),
    ]
}
