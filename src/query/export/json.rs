//! JSON: one array, or an object a line. Decimals are numbers with every digit, metadata are objects.

use super::{
    encoder::Encoder,
    table::{Cell, ExportColumn, Named, Row},
};
use crate::query::QueryError;

pub(super) struct Array {
    columns: &'static [ExportColumn],
    /// The separator that is written before the next row.
    before: &'static [u8],
}

impl Array {
    pub fn new(columns: &'static [ExportColumn]) -> Self {
        Self { columns, before: b"[\n" }
    }
}

impl Encoder for Array {
    fn page(&mut self, rows: &[Row]) -> Result<Vec<u8>, QueryError> {
        let mut bytes = Vec::new();
        for row in rows {
            bytes.extend_from_slice(self.before);
            write(&mut bytes, self.columns, row)?;
            self.before = b",\n";
        }
        Ok(bytes)
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>, QueryError> {
        let is_empty = self.before.starts_with(b"[");
        Ok(if is_empty { b"[]\n".to_vec() } else { b"\n]\n".to_vec() })
    }
}

pub(super) struct JsonLines(pub &'static [ExportColumn]);

impl Encoder for JsonLines {
    fn page(&mut self, rows: &[Row]) -> Result<Vec<u8>, QueryError> {
        let mut bytes = Vec::new();
        for row in rows {
            write(&mut bytes, self.0, row)?;
            bytes.push(b'\n');
        }
        Ok(bytes)
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>, QueryError> {
        Ok(Vec::new())
    }
}

fn write(bytes: &mut Vec<u8>, columns: &'static [ExportColumn], row: &[Cell]) -> Result<(), QueryError> {
    serde_json::to_writer(bytes, &Named(columns, row)).map_err(|error| QueryError::Export(error.to_string()))
}
