//! Exports: the answer to any query as CSV, JSON, newline-delimited JSON or Parquet, produced piece by piece. A query
//! produces pages of rows (a file for each kind of query), and a format encodes them. Series can have any number of
//! days; a gap is a row too, with the cause as its state and no value, which distinguishes it from a zero.

mod corrections;
mod csv;
mod definitions;
mod encoder;
mod format;
mod json;
mod latest;
mod parameters;
mod parquet;
mod redactions;
mod runs;
mod series_pages;
mod series_row;
mod table;

use std::sync::Arc;

use super::{
    catalogue::Catalogue, corrections::CorrectionsQuery, error::QueryError, latest::LatestQuery,
    runs::RunsQuery, series_query::SeriesQuery,
};
use crate::{blocking::block_in_place_if_large, collect::Context};
pub use csv::CsvOptions;
use encoder::Encoder;
pub use format::ExportFormat;
use series_pages::SeriesPages;
use table::{Pages, Row};

/// An export in progress. The file is the sequence of its pieces.
pub struct Export {
    /// The first page; `None` once it is written.
    first: Option<Vec<Row>>,
    /// The pages after the first one.
    pages: Box<dyn Pages>,
    format: ExportFormat,
    stage: Stage,
    rows: u64,
}

enum Stage {
    Measuring(Box<parquet::Measuring>),
    Writing(Box<dyn Encoder>),
    Over,
}

impl Export {
    /// Series, a row for each metric and day or longer interval.
    ///
    /// # Errors
    /// [`QueryError::Refused`] when none of the requested metrics rolls up; when the store fails.
    pub async fn series(
        context: Context,
        catalogue: Arc<Catalogue>,
        query: SeriesQuery,
        format: ExportFormat,
    ) -> Result<Self, QueryError> {
        Self::start(Box::new(SeriesPages::new(context, catalogue, query)?), format).await
    }

    /// The latest value of each metric, with its changes.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn latest(
        context: &Context,
        catalogue: &Catalogue,
        query: &LatestQuery,
        format: ExportFormat,
    ) -> Result<Self, QueryError> {
        let answer = super::latest::latest(context, catalogue, query).await?;
        Self::start(Box::new(latest::pages(answer)), format).await
    }

    /// Every metric, active or not.
    ///
    /// # Errors
    /// As [`Self::next`]; the store is not asked.
    pub async fn definitions(catalogue: &Catalogue, format: ExportFormat) -> Result<Self, QueryError> {
        Self::start(Box::new(definitions::pages(super::definitions::definitions(catalogue))), format).await
    }

    /// All runs that match the query; the limit of a page does not apply.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn runs(context: Context, query: RunsQuery, format: ExportFormat) -> Result<Self, QueryError> {
        Self::start(Box::new(runs::RunPages::new(context, query)), format).await
    }

    /// All corrections that match the query, newest first; the limit of a page does not apply.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn corrections(
        context: Context,
        query: CorrectionsQuery,
        format: ExportFormat,
    ) -> Result<Self, QueryError> {
        Self::start(Box::new(corrections::CorrectionPages::new(context, query)), format).await
    }

    /// The log of redactions, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn redactions(context: &Context, format: ExportFormat) -> Result<Self, QueryError> {
        Self::start(Box::new(redactions::pages(super::redactions::redactions(context).await?)), format).await
    }

    /// Reads the first page, so that an unreachable store is noticed before a status or a header is sent.
    async fn start(mut pages: Box<dyn Pages>, format: ExportFormat) -> Result<Self, QueryError> {
        let columns = pages.columns();
        let stage = match format {
            ExportFormat::Csv => Stage::Writing(Box::new(csv::Csv::new(columns, CsvOptions::default()))),
            ExportFormat::Json => Stage::Writing(Box::new(json::Array::new(columns))),
            ExportFormat::Ndjson => Stage::Writing(Box::new(json::JsonLines(columns))),
            ExportFormat::Parquet => match pages.for_decimals() {
                Some(again) => Stage::Measuring(Box::new(parquet::Measuring::new(again))),
                None => Stage::Writing(Box::new(parquet::Parquet::without_decimals(columns)?)),
            },
        };
        Ok(Self { first: pages.next().await?, pages, format, stage, rows: 0 })
    }

    /// Writes CSV in this way; other formats stay as they are. It must be called before the first piece is read.
    pub fn with_csv(mut self, options: CsvOptions) -> Self {
        if self.format == ExportFormat::Csv {
            self.stage = Stage::Writing(Box::new(csv::Csv::new(self.pages.columns(), options)));
        }
        self
    }

    /// Reads the remaining pages with another connection to the same store, such as one with longer time limits.
    pub fn continue_with(mut self, context: &Context) -> Self {
        self.pages.continue_with(context);
        if let Stage::Measuring(measuring) = &mut self.stage {
            measuring.pages.continue_with(context);
        }
        self
    }

    /// The next piece; `None` after the last one. Memory is bounded: a piece has about ten thousand records without
    /// labels, or as many records with labels as need the same memory. Before the first piece of Parquet all values are
    /// scanned, to find the type of the columns. A caller that gives up waiting may call again, and loses at most the
    /// page that was being read.
    ///
    /// # Errors
    /// [`QueryError::TooManyDigits`] when the values need more than Parquet's 76; when the store fails. The file has no
    /// end then, and must not pass for a whole one.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, QueryError> {
        loop {
            match &mut self.stage {
                Stage::Measuring(measuring) => {
                    if let Some(encoder) = measuring.step().await? {
                        self.stage = Stage::Writing(Box::new(encoder));
                    }
                }
                Stage::Writing(encoder) => {
                    let rows = match self.first.take() {
                        Some(rows) => Some(rows),
                        None => self.pages.next().await?,
                    };
                    let Some(rows) = rows else { break };
                    self.rows += rows.len() as u64;
                    return block_in_place_if_large(rows.len(), || encoder.page(&rows)).map(Some);
                }
                Stage::Over => return Ok(None),
            }
        }
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Writing(encoder) => encoder.finish().map(Some),
            _ => Ok(None),
        }
    }

    /// How many rows there have been so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }
}
