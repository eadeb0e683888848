//! CSV (RFC 4180): a header, lines that end with CR LF, decimals with every digit, nothing between two commas where there
//! is no value. Labels from the platform are inside of the JSON of `metadata` only, which no spreadsheet takes for a
//! formula; texts of those who may define metrics stand as they are.

use super::{
    Encoder,
    table::{Cell, ExportColumn, Row},
};
use crate::query::QueryError;

pub(super) struct Csv {
    columns: &'static [ExportColumn],
    has_header: bool,
}

impl Csv {
    pub fn new(columns: &'static [ExportColumn]) -> Self {
        Self { columns, has_header: false }
    }

    fn write(&mut self, rows: &[Row]) -> Result<Vec<u8>, csv::Error> {
        let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        if !std::mem::replace(&mut self.has_header, true) {
            writer.write_record(self.columns.iter().map(|column| column.name))?;
        }
        for row in rows {
            for text in row.iter().map(Cell::text) {
                writer.write_field(text.unwrap_or_default().as_bytes())?;
            }
            writer.write_record(None::<&[u8]>)?;
        }
        writer.into_inner().map_err(|error| error.into_error().into())
    }
}

impl Encoder for Csv {
    fn page(&mut self, rows: &[Row]) -> Result<Vec<u8>, QueryError> {
        self.write(rows).map_err(|error| QueryError::Export(error.to_string()))
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<u8>, QueryError> {
        // An export without a row still has its header.
        if self.has_header { Ok(Vec::new()) } else { self.page(&[]) }
    }
}
