//! CSV (RFC 4180): a header, lines that end with CR LF, decimals with every digit, nothing between two commas where there
//! is no value.
//!
//! A text that a spreadsheet would take for a formula begins with an apostrophe, as OWASP recommends ("CSV Injection"):
//! display names, descriptions and error messages may contain text from untrusted sources. Numbers, dates and the JSON of `metadata`, which
//! begins with a brace, are not formulas and stay as they are.

use std::borrow::Cow;

use super::{
    encoder::Encoder,
    table::{Cell, ExportColumn, Row},
};
use crate::query::error::QueryError;

/// The most characters that Excel and LibreOffice take in a cell.
const MAX_CELL: usize = 32_767;
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// How CSV is written for programs that need it otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CsvOptions {
    /// Begin with a byte order mark, from which Excel recognises UTF-8.
    pub bom: bool,
    /// Cut cells to 32,767 characters, the limit of spreadsheets, of which the last one is `…`. JSON that is cut is no
    /// longer valid JSON.
    pub cut_cells: bool,
}

pub(super) struct Csv {
    columns: &'static [ExportColumn],
    options: CsvOptions,
    has_header: bool,
}

impl Csv {
    pub fn new(columns: &'static [ExportColumn], options: CsvOptions) -> Self {
        Self { columns, options, has_header: false }
    }

    fn write(&mut self, rows: &[Row]) -> Result<Vec<u8>, csv::Error> {
        let mut bytes = Vec::new();
        let is_first = !std::mem::replace(&mut self.has_header, true);
        if is_first && self.options.bom {
            bytes.extend_from_slice(BYTE_ORDER_MARK);
        }
        let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(bytes);
        if is_first {
            writer.write_record(self.columns.iter().map(|column| column.name))?;
        }
        for row in rows {
            for cell in row {
                writer.write_field(self.text(cell).as_bytes())?;
            }
            writer.write_record(None::<&[u8]>)?;
        }
        writer.into_inner().map_err(|error| error.into_error().into())
    }

    fn text<'a>(&self, cell: &'a Cell) -> Cow<'a, str> {
        let text = cell.text().unwrap_or_default();
        let text = match cell {
            Cell::Text(_) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => format!("'{text}").into(),
            _ => text,
        };
        match self.options.cut_cells && text.encode_utf16().count() > MAX_CELL {
            true => cut(&text).into(),
            false => text,
        }
    }
}

/// The beginning of `text`, with an ellipsis: [`MAX_CELL`] characters, as spreadsheets count them (UTF-16 code units).
fn cut(text: &str) -> String {
    let mut units = 1;
    let fits = |character: &char| {
        units += character.len_utf16();
        units <= MAX_CELL
    };
    text.chars().take_while(fits).chain(['…']).collect()
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
