//! The definitions: a metric a row, active or not, in its current version.

use super::table::{Cell, Cells, Column, Kind, OnePage, optional, required};
use crate::query::{DefinitionEntry, DefinitionsAnswer};

const COLUMNS: &[Column] = &[
    required("metric_type", Kind::Text),
    required("metric_category", Kind::Text),
    required("display_name", Kind::Text),
    required("description", Kind::Text),
    required("unit", Kind::Text),
    required("format_pattern", Kind::Text),
    required("is_active", Kind::Boolean),
    required("origin", Kind::Text),
    required("version", Kind::Number),
    required("roll_up", Kind::Text),
    optional("expected_min", Kind::Decimal),
    optional("expected_max", Kind::Decimal),
    required("time_zone", Kind::Text),
    required("created_at", Kind::Instant),
];

pub(super) fn pages(answer: DefinitionsAnswer) -> OnePage {
    OnePage::new(COLUMNS, answer.definitions.into_iter().map(row).collect())
}

fn row(definition: DefinitionEntry) -> Cells {
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
