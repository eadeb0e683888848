//! What a format does: it makes bytes of rows.

use super::table::Row;
use crate::query::error::QueryError;

pub(super) trait Encoder: Send {
    /// The next piece of the file.
    fn page(&mut self, rows: &[Row]) -> Result<Vec<u8>, QueryError>;
    /// The rest of it.
    fn finish(self: Box<Self>) -> Result<Vec<u8>, QueryError>;
}
