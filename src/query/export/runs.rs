//! The collection log: a run a row, newest first. A run that starts meanwhile comes before all that is read.

use async_trait::async_trait;

use super::table::{Cell, ExportColumn, ExportType, Pages, Row, optional, required};
use crate::{
    collect::Context,
    query::{MetadataText, QueryError, RunEntry, RunsQuery},
    store::RunFilter,
};

/// The number of runs that are in memory at once. Each may carry the errors of many metrics.
const PAGE_RUNS: usize = 100;

const COLUMNS: &[ExportColumn] = &[
    required("id", ExportType::Text),
    required("kind", ExportType::Text),
    required("collection_date", ExportType::Date),
    required("collection_end_date", ExportType::Date),
    required("started_at", ExportType::Instant),
    optional("completed_at", ExportType::Instant),
    required("status", ExportType::Text),
    required("metrics_collected", ExportType::Long),
    optional("error_message", ExportType::Text),
    optional("error_details", ExportType::Object),
    required("trigger", ExportType::Text),
    required("actor", ExportType::Text),
    required("host", ExportType::Text),
    required("process_id", ExportType::Long),
];

pub(super) struct RunPages {
    context: Context,
    filter: RunFilter,
    is_over: bool,
}

impl RunPages {
    pub fn new(context: Context, query: RunsQuery) -> Self {
        let filter = RunFilter { limit: i64::try_from(PAGE_RUNS).ok(), ..query.filter };
        Self { context, filter, is_over: false }
    }
}

#[async_trait]
impl Pages for RunPages {
    fn columns(&self) -> &'static [ExportColumn] {
        COLUMNS
    }

    async fn next(&mut self) -> Result<Option<Vec<Row>>, QueryError> {
        if self.is_over {
            return Ok(None);
        }
        let runs = self.context.tenant.store.runs(&self.filter).await?;
        self.is_over = runs.len() < PAGE_RUNS;
        self.filter.after = runs.last().map(|last| (last.started_at, last.id));
        Ok(Some(runs.into_iter().map(|run| row(run.into())).collect()))
    }

    fn for_decimals(&self) -> Option<Box<dyn Pages>> {
        None
    }

    fn continue_with(&mut self, context: &Context) {
        self.context = context.clone();
    }
}

fn row(run: RunEntry) -> Row {
    vec![
        Cell::Text(run.id.to_string()),
        Cell::Word(run.kind),
        Cell::Date(run.collection_date),
        Cell::Date(run.collection_end_date),
        Cell::Instant(run.started_at),
        Cell::or_none(run.completed_at, Cell::Instant),
        Cell::Word(run.status),
        Cell::Integer(run.metrics_collected),
        Cell::or_none(run.error_message, Cell::Text),
        Cell::or_none(run.error_details, |details| Cell::Object(MetadataText::of(details))),
        Cell::Word(run.trigger),
        Cell::Text(run.actor),
        Cell::Text(run.host),
        Cell::Integer(run.process_id.into()),
    ]
}
