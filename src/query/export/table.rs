//! The table that every format encodes: columns with a type, and rows of cells.

use std::borrow::Cow;

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{
    collect::Context,
    metric::Decimal,
    query::{MetadataText, QueryError},
};

/// The source of an export, which returns a page of rows at a time.
#[async_trait]
pub(super) trait Pages: Send + Sync {
    fn columns(&self) -> &'static [ExportColumn];

    /// The rows of the next page; `None` after the last one. A caller that gives up waiting may call again.
    async fn next(&mut self) -> Result<Option<Vec<Row>>, QueryError>;

    /// The same pages for a look at their decimals before the first one is taken; `None` where no column has decimals.
    fn for_decimals(&self) -> Option<Box<dyn Pages>>;

    /// Reads the following pages with another store of the same records.
    fn continue_with(&mut self, context: &Context);
}

#[derive(Debug)]
pub(super) struct ExportColumn {
    pub name: &'static str,
    pub kind: ExportType,
    /// Whether a cell may be [`Cell::None`].
    pub is_optional: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExportType {
    Text,
    Date,
    Instant,
    /// An integer of 32 bits.
    Number,
    /// An integer of 64 bits.
    Long,
    Boolean,
    Decimal,
    /// JSON.
    Object,
}

pub(super) const fn required(name: &'static str, kind: ExportType) -> ExportColumn {
    ExportColumn { name, kind, is_optional: false }
}

pub(super) const fn optional(name: &'static str, kind: ExportType) -> ExportColumn {
    ExportColumn { name, kind, is_optional: true }
}

/// A row: a cell for each column.
pub(super) type Row = Vec<Cell>;

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Cell {
    None,
    Word(&'static str),
    Text(String),
    Date(Date),
    Instant(Timestamp),
    Integer(i64),
    Boolean(bool),
    Decimal(Decimal),
    Object(MetadataText),
}

impl Cell {
    pub fn or_none<T>(value: Option<T>, cell: impl FnOnce(T) -> Self) -> Self {
        value.map_or(Self::None, cell)
    }

    pub fn count(count: usize) -> Self {
        Self::Integer(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// As text; `None` where there is no value.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::None => return None,
            Self::Word(word) => Cow::Borrowed(word),
            Self::Text(text) => Cow::Borrowed(text),
            Self::Date(date) => date.to_string().into(),
            Self::Instant(instant) => instant.to_string().into(),
            Self::Integer(integer) => integer.to_string().into(),
            Self::Boolean(boolean) => Cow::Borrowed(if *boolean { "true" } else { "false" }),
            Self::Decimal(decimal) => decimal.to_string().into(),
            Self::Object(object) => Cow::Borrowed(object.as_str()),
        })
    }
}

/// A row as a JSON object.
pub(super) struct Named<'a>(pub &'static [ExportColumn], pub &'a [Cell]);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(columns, cells) = self;
        let mut map = serializer.serialize_map(Some(columns.len()))?;
        for (column, cell) in columns.iter().zip(*cells) {
            map.serialize_entry(column.name, cell)?;
        }
        map.end()
    }
}

/// Rows that are already in memory.
#[derive(Clone)]
pub(super) struct OnePage {
    columns: &'static [ExportColumn],
    rows: Option<Vec<Row>>,
}

impl OnePage {
    pub fn new(columns: &'static [ExportColumn], rows: Vec<Row>) -> Self {
        Self { columns, rows: Some(rows) }
    }
}

#[async_trait]
impl Pages for OnePage {
    fn columns(&self) -> &'static [ExportColumn] {
        self.columns
    }

    async fn next(&mut self) -> Result<Option<Vec<Row>>, QueryError> {
        Ok(self.rows.take())
    }

    fn for_decimals(&self) -> Option<Box<dyn Pages>> {
        Some(Box::new(self.clone()))
    }

    fn continue_with(&mut self, _: &Context) {}
}
