//! Exports: rows of days or of longer intervals as CSV, JSON, newline-delimited JSON or Parquet, of any number of days,
//! in pieces that are made one after the other. A gap is a row too, with the cause as its state and no value, which
//! tells it from a zero.

mod format;
mod json;
mod pages;
mod parquet;
mod question;
mod row;
mod text;

use std::sync::Arc;

use super::{Catalogue, QueryError};
use crate::{aside::aside, collect::Context};
pub use format::ExportFormat;
use pages::Pages;
pub use question::ExportQuestion;
use row::Row;

/// An export on its way. Whoever takes its pieces one after the other has the file.
pub struct Export {
    pages: Pages,
    encoder: Option<Box<dyn Encoder>>,
    rows: u64,
}

/// Makes bytes of rows.
trait Encoder: Send {
    /// The next piece of the file.
    fn page(&mut self, rows: &[Row]) -> Result<Vec<u8>, QueryError>;
    /// The rest of it.
    fn finish(self: Box<Self>) -> Result<Vec<u8>, QueryError>;
}

impl Export {
    /// Begins an export. Of Parquet, whose columns have a type, all values are looked at first.
    ///
    /// # Errors
    /// [`QueryError::Refused`] when no metric that was asked rolls up; [`QueryError::TooManyDigits`] when the values need
    /// more than Parquet's 76; when the store fails.
    pub async fn start(
        context: Context,
        catalogue: Arc<Catalogue>,
        question: ExportQuestion,
        format: ExportFormat,
    ) -> Result<Self, QueryError> {
        let pages = Pages::new(context, catalogue, question)?;
        let encoder: Box<dyn Encoder> = match format {
            ExportFormat::Csv => Box::new(text::Csv::new()),
            ExportFormat::Json => Box::new(json::Array::new()),
            ExportFormat::Ndjson => Box::new(json::Lines),
            ExportFormat::Parquet => Box::new(parquet::Parquet::new(parquet::digits(pages.clone()).await?)?),
        };
        Ok(Self { pages, encoder: Some(encoder), rows: 0 })
    }

    /// The next piece; `None` after the last one. Memory is bounded: a piece is made of about ten thousand records.
    ///
    /// # Errors
    /// When the store fails. The file has no end then, and must not pass for a whole one.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, QueryError> {
        let Some(encoder) = &mut self.encoder else { return Ok(None) };
        match self.pages.next().await? {
            Some(rows) => {
                self.rows += rows.len() as u64;
                aside(rows.len(), || encoder.page(&rows)).map(Some)
            }
            None => self.encoder.take().map(Encoder::finish).transpose(),
        }
    }

    /// How many rows there have been so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }
}
