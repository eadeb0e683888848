//! The trait of a file format, which encodes rows as bytes.

use super::table::Row;
use crate::query::error::QueryError;

pub(super) trait Encoder: Send {
    /// The next piece of the file.
    fn page(&mut self, rows: &[Row]) -> Result<Vec<u8>, QueryError>;
    /// The remaining bytes of the file after the last row.
    fn finish(self: Box<Self>) -> Result<Vec<u8>, QueryError>;
}
