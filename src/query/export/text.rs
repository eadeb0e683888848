//! CSV (RFC 4180): a header, lines that end with CR LF, decimals with every digit, nothing between two commas where there
//! is no value. Labels from the platform are inside of the JSON of `metadata` only, which no spreadsheet takes for a
//! formula.

use super::{Encoder, Row};
use crate::query::QueryError;

pub(super) struct Csv {
    has_header: bool,
}

impl Csv {
    pub fn new() -> Self {
        Self { has_header: false }
    }

    fn write(&mut self, rows: &[Row]) -> Result<Vec<u8>, csv::Error> {
        let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        if !std::mem::replace(&mut self.has_header, true) {
            writer.write_record(Row::COLUMNS)?;
        }
        for row in rows {
            writer.write_record(fields(row))?;
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

fn fields(row: &Row) -> [String; 12] {
    [
        row.metric_date.to_string(),
        row.metric_date_end.to_string(),
        row.interval.to_owned(),
        row.metric_type.to_owned(),
        row.metric_category.clone(),
        row.value.as_ref().map(ToString::to_string).unwrap_or_default(),
        row.state.to_owned(),
        row.provenance.unwrap_or_default().to_owned(),
        row.definition_version.map(|version| version.to_string()).unwrap_or_default(),
        row.days_recorded.to_string(),
        row.days_due.to_string(),
        row.metadata_text().unwrap_or_default(),
    ]
}
