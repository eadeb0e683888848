//! A row of a series' export: a day or a longer interval of one metric.

use jiff::civil::Date;

use super::table::{Cell, ExportColumn, ExportType, Row, optional, required};
use crate::query::{MetadataText, Point, Series, SeriesResponse};

const RECORDED: &str = "recorded";
/// The state of days that are recorded, but whose records had an empty sample or a denominator of 0.
const NO_DATA: &str = "no_data";
/// The state of days that are recorded, but whose values do not combine into a value of the interval.
const REFUSED: &str = "refused";

pub(super) const COLUMNS: &[ExportColumn] = &[
    // The first day, and the last.
    required("metric_date", ExportType::Date),
    required("metric_date_end", ExportType::Date),
    required("interval", ExportType::Text),
    required("metric_type", ExportType::Text),
    required("metric_category", ExportType::Text),
    optional("value", ExportType::Decimal),
    // `recorded`, `no_data`, `refused`, or the cause of the gap.
    required("state", ExportType::Text),
    optional("provenance", ExportType::Text),
    optional("definition_version", ExportType::Number),
    required("days_recorded", ExportType::Number),
    required("days_due", ExportType::Number),
    optional("metadata", ExportType::Object),
    // Of days: see docs/quality.md.
    optional("judgement", ExportType::Object),
    // Of corrected days: the value of the record, and the number of the revision in force.
    optional("recorded_value", ExportType::Decimal),
    optional("revision", ExportType::Number),
];

fn row(series: &Series, point: Point) -> Row {
    let state = match (&point.value, &point.refused) {
        (Some(_), _) => RECORDED,
        (None, Some(_)) => REFUSED,
        (None, None) if point.no_data => NO_DATA,
        (None, None) => cause(series, &point),
    };
    vec![
        Cell::Date(point.from),
        Cell::Date(point.to),
        Cell::Word(series.interval.name()),
        Cell::Word(series.metric_type.name()),
        Cell::Text(series.metric_category.clone()),
        Cell::or_none(point.value, Cell::Decimal),
        Cell::Word(state),
        Cell::or_none(point.provenance, |provenance| Cell::Word(provenance.name())),
        Cell::or_none(point.definition_version, |version| Cell::Integer(version.into())),
        Cell::count(point.days_recorded),
        Cell::count(point.days_due),
        Cell::or_none(point.metadata, Cell::Object),
        Cell::or_none(point.judgement, |judgement| Cell::Object(MetadataText::of(judgement.object()))),
        Cell::or_none(point.recorded_value, Cell::Decimal),
        Cell::or_none(point.revision, |revision| Cell::Integer(revision.into())),
    ]
}

/// Why nothing of the point's days is recorded: the cause of the first of them.
fn cause(series: &Series, point: &Point) -> &'static str {
    let gaps = &series.gaps;
    gaps.get(gaps.partition_point(|gap| gap.to < point.from)).map_or(REFUSED, |gap| gap.cause)
}

/// The rows of an answer, by bucket and then by metric.
pub(super) fn rows(answer: SeriesResponse) -> Vec<Row> {
    let mut rows: Vec<(Date, Row)> = Vec::new();
    for mut series in answer.series {
        let points = std::mem::take(&mut series.points);
        rows.extend(points.into_iter().map(|point| (point.from, row(&series, point))));
    }
    // The sort is stable, so the metrics of a bucket keep their order.
    rows.sort_by_key(|(first_day, _)| *first_day);
    rows.into_iter().map(|(_, row)| row).collect()
}
