//! The formats of exports.

use strum::{EnumIter, EnumString, IntoStaticStr};

#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum ExportFormat {
    /// A header and rows (RFC 4180).
    Csv,
    /// One array of objects.
    Json,
    /// An object a line.
    Ndjson,
    /// Columns with types; values as DECIMAL.
    Parquet,
}

impl ExportFormat {
    /// The name, and the ending of file names.
    pub fn name(self) -> &'static str {
        self.into()
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }
}
