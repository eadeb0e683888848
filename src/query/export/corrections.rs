//! The corrections of recorded values: a revision a row, newest first.

use async_trait::async_trait;

use super::table::{Cell, ExportColumn, ExportType, Pages, Row, optional, required};
use crate::{
    collect::Context,
    query::{CorrectionEntry, CorrectionsQuery, MetadataText, QueryError},
    store::{Revision, RevisionFilter},
};

/// The number of corrections that are in memory at once. Each may have the labels of a breakdown.
const PAGE_CORRECTIONS: i64 = 100;

const COLUMNS: &[ExportColumn] = &[
    required("metric_date", ExportType::Date),
    required("metric_type", ExportType::Text),
    required("metric_category", ExportType::Text),
    required("revision", ExportType::Number),
    required("kind", ExportType::Text),
    optional("value", ExportType::Decimal),
    optional("metadata", ExportType::Object),
    optional("takes_back", ExportType::Number),
    required("is_in_force", ExportType::Boolean),
    required("recorded_value", ExportType::Decimal),
    required("basis", ExportType::Text),
    optional("definition_version", ExportType::Number),
    required("reason", ExportType::Text),
    required("author", ExportType::Text),
    required("created_at", ExportType::Instant),
    required("batch_id", ExportType::Text),
];

#[derive(Clone)]
pub(super) struct CorrectionPages {
    context: Context,
    filter: RevisionFilter,
    is_over: bool,
}

impl CorrectionPages {
    pub fn new(context: Context, query: CorrectionsQuery) -> Self {
        let filter = RevisionFilter { limit: PAGE_CORRECTIONS, ..query.filter };
        Self { context, filter, is_over: false }
    }
}

#[async_trait]
impl Pages for CorrectionPages {
    fn columns(&self) -> &'static [ExportColumn] {
        COLUMNS
    }

    async fn next(&mut self) -> Result<Option<Vec<Row>>, QueryError> {
        if self.is_over {
            return Ok(None);
        }
        let revisions = self.context.tenant.store.revisions(&self.filter).await?;
        self.is_over = i64::try_from(revisions.len()).unwrap_or(i64::MAX) < PAGE_CORRECTIONS;
        self.filter.after = revisions.last().map(Revision::position);
        Ok(Some(revisions.into_iter().map(|revision| row(revision.into())).collect()))
    }

    fn for_decimals(&self) -> Option<Box<dyn Pages>> {
        Some(Box::new(self.clone()))
    }

    fn continue_with(&mut self, context: &Context) {
        self.context = context.clone();
    }
}

fn row(entry: CorrectionEntry) -> Row {
    vec![
        Cell::Date(entry.metric_date),
        Cell::Word(entry.metric_type.name()),
        Cell::Text(entry.metric_category),
        Cell::Integer(entry.revision.into()),
        Cell::Word(entry.kind),
        Cell::or_none(entry.value, Cell::Decimal),
        Cell::or_none(entry.metadata, |metadata| Cell::Object(MetadataText::of(metadata))),
        Cell::or_none(entry.takes_back, |number| Cell::Integer(number.into())),
        Cell::Boolean(entry.is_in_force),
        Cell::Decimal(entry.recorded_value),
        Cell::Word(entry.basis),
        Cell::or_none(entry.definition_version, |version| Cell::Integer(version.into())),
        Cell::Text(entry.reason),
        Cell::Text(entry.author),
        Cell::Instant(entry.created_at),
        Cell::Text(entry.batch_id.to_string()),
    ]
}
