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
    /// The first page, until it is written.
    first: Option<Vec<Row>>,
    /// Those that follow.
    pages: Pages,
    stage: Stage,
    rows: u64,
}

enum Stage {
    Measuring(Box<parquet::Measuring>),
    Writing(Box<dyn Encoder>),
    Over,
}

/// Makes bytes of rows.
trait Encoder: Send {
    /// The next piece of the file.
    fn page(&mut self, rows: &[Row]) -> Result<Vec<u8>, QueryError>;
    /// The rest of it.
    fn finish(self: Box<Self>) -> Result<Vec<u8>, QueryError>;
}

impl Export {
    /// Begins an export: the first page is read, so that a store that is away is noticed before anything is promised.
    ///
    /// # Errors
    /// [`QueryError::Refused`] when no metric that was asked rolls up; when the store fails.
    pub async fn start(
        context: Context,
        catalogue: Arc<Catalogue>,
        question: ExportQuestion,
        format: ExportFormat,
    ) -> Result<Self, QueryError> {
        let mut pages = Pages::new(context, catalogue, question)?;
        let stage = match format {
            ExportFormat::Csv => Stage::Writing(Box::new(text::Csv::new())),
            ExportFormat::Json => Stage::Writing(Box::new(json::Array::new())),
            ExportFormat::Ndjson => Stage::Writing(Box::new(json::Lines)),
            ExportFormat::Parquet => Stage::Measuring(Box::new(parquet::Measuring::new(pages.clone()))),
        };
        Ok(Self { first: pages.next().await?, pages, stage, rows: 0 })
    }

    /// Reads what follows with another store of the same records, as one that has more patience.
    pub fn go_on_with(mut self, context: &Context) -> Self {
        self.pages.context = context.clone();
        if let Stage::Measuring(measuring) = &mut self.stage {
            measuring.pages.context = context.clone();
        }
        self
    }

    /// The next piece; `None` after the last one. Memory is bounded: a piece is made of about ten thousand records. Before
    /// the first piece of Parquet, whose columns have a type, all values are looked at. Whoever gives up waiting may call
    /// again, and loses at most the page that was being read.
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
                    return aside(rows.len(), || encoder.page(&rows)).map(Some);
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
