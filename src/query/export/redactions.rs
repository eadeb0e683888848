//! The log of redactions: a row for each place where a label was replaced, newest first.

use super::table::{Cell, ExportColumn, ExportType, OnePage, Row, optional, required};
use crate::query::{RedactionEntry, RedactionsResponse};

const COLUMNS: &[ExportColumn] = &[
    required("placeholder", ExportType::Text),
    required("created_at", ExportType::Instant),
    required("author", ExportType::Text),
    required("reason", ExportType::Text),
    // Either a metric, or the table and the column of texts.
    optional("metric_type", ExportType::Text),
    optional("metric_category", ExportType::Text),
    optional("from", ExportType::Date),
    optional("to", ExportType::Date),
    optional("records", ExportType::Long),
    optional("revisions", ExportType::Long),
    optional("place", ExportType::Text),
    optional("texts", ExportType::Long),
];

pub(super) fn pages(answer: RedactionsResponse) -> OnePage {
    OnePage::new(COLUMNS, answer.redactions.into_iter().flat_map(rows).collect())
}

fn rows(entry: RedactionEntry) -> Vec<Row> {
    let RedactionEntry { placeholder, reason, author, created_at, metrics, texts } = entry;
    let row = |place: [Cell; 8]| {
        let made = [
            Cell::Text(placeholder.clone()),
            Cell::Instant(created_at),
            Cell::Text(author.clone()),
            Cell::Text(reason.clone()),
        ];
        made.into_iter().chain(place).collect()
    };
    let of_metrics = metrics.into_iter().map(|metric| {
        row([
            Cell::Word(metric.metric_type.name()),
            Cell::Text(metric.metric_category),
            Cell::Date(metric.from),
            Cell::Date(metric.to),
            Cell::count(metric.records),
            Cell::count(metric.revisions),
            Cell::None,
            Cell::None,
        ])
    });
    let of_texts = texts.into_iter().map(|texts| {
        let [a, b, c, d, e, f] = [const { Cell::None }; 6];
        row([a, b, c, d, e, f, Cell::Text(texts.place), Cell::count(texts.texts)])
    });
    of_metrics.chain(of_texts).collect()
}
