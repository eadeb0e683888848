//! The latest value of each metric as a row, with its changes in columns. A metric without any record has a row without a
//! day and a value.

use jiff::civil::Date;

use super::table::{Cell, ExportColumn, ExportType, OnePage, Row, optional, required};
use crate::query::{Change, LatestResponse, LatestValue, MetadataText};

const COLUMNS: &[ExportColumn] = &[
    optional("metric_date", ExportType::Date),
    required("metric_type", ExportType::Text),
    required("metric_category", ExportType::Text),
    required("display_name", ExportType::Text),
    required("unit", ExportType::Text),
    optional("value", ExportType::Decimal),
    // The last day that could be recorded: a value of an earlier day is not current.
    required("last_finished", ExportType::Date),
    optional("provenance", ExportType::Text),
    optional("collection_timestamp", ExportType::Instant),
    optional("collection_id", ExportType::Text),
    optional("value_day_before", ExportType::Decimal),
    optional("change_from_day_before", ExportType::Decimal),
    optional("percent_from_day_before", ExportType::Decimal),
    optional("value_week_before", ExportType::Decimal),
    optional("change_from_week_before", ExportType::Decimal),
    optional("percent_from_week_before", ExportType::Decimal),
    optional("value_month_before", ExportType::Decimal),
    optional("change_from_month_before", ExportType::Decimal),
    optional("percent_from_month_before", ExportType::Decimal),
    optional("metadata", ExportType::Object),
    optional("judgement", ExportType::Object),
    optional("recorded_value", ExportType::Decimal),
    optional("revision", ExportType::Number),
];

pub(super) fn pages(answer: LatestResponse) -> OnePage {
    let last_finished = answer.last_finished;
    OnePage::new(COLUMNS, answer.metrics.into_iter().map(|latest| row(latest, last_finished)).collect())
}

fn row(latest: LatestValue, last_finished: Date) -> Row {
    let mut row = vec![
        Cell::or_none(latest.metric_date, Cell::Date),
        Cell::Word(latest.metric_type.name()),
        Cell::Text(latest.metric_category),
        Cell::Text(latest.display_name),
        Cell::Text(latest.unit),
        Cell::or_none(latest.value, Cell::Decimal),
        Cell::Date(last_finished),
        Cell::or_none(latest.provenance, |provenance| Cell::Word(provenance.name())),
        Cell::or_none(latest.collection_timestamp, Cell::Instant),
        Cell::or_none(latest.collection_id, |id| Cell::Text(id.to_string())),
    ];
    let changes =
        [latest.change_from_day_before, latest.change_from_week_before, latest.change_from_month_before];
    row.extend(changes.into_iter().flat_map(cells));
    row.push(Cell::or_none(latest.metadata, Cell::Object));
    row.push(Cell::or_none(latest.judgement, |judgement| Cell::Object(MetadataText::of(judgement.object()))));
    row.push(Cell::or_none(latest.recorded_value, Cell::Decimal));
    row.push(Cell::or_none(latest.revision, |revision| Cell::Integer(revision.into())));
    row
}

fn cells(change: Option<Change>) -> [Cell; 3] {
    let Some(Change { value, absolute, percent }) = change else { return [const { Cell::None }; 3] };
    [Cell::Decimal(value), Cell::Decimal(absolute), Cell::or_none(percent, Cell::Decimal)]
}
