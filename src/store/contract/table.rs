//! Daymark's own tables as a client reads their rows: which columns there are, and a query of one table that
//! either store answers with one statement. Names of tables and columns come from here and never from a request;
//! values are arguments of the statement.

use std::cmp::Ordering;

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use strum::{EnumIter, EnumString, IntoStaticStr};
use uuid::Uuid;

use crate::{metric::Decimal, store::StoreError};

/// The most columns of one answer: PostgreSQL's functions take 100 arguments, and a column takes two of them.
pub const MAX_COLUMNS: usize = 50;

/// A table that can be read row by row. The tenant is the store's own and no column of any of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum StoreTable {
    DailyMetrics,
    MetricDefinitions,
    MetricCollectionLog,
}

#[derive(Debug, PartialEq, Eq)]
pub struct StoreColumn {
    pub name: &'static str,
    pub kind: ColumnKind,
    pub nullable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    Text,
    Date,
    Instant,
    Decimal,
    Integer,
    Boolean,
    Uuid,
    /// JSON; it is shown, and can be compared with nothing.
    Object,
}

/// The operand of a comparison with a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Text(String),
    Date(Date),
    Instant(Timestamp),
    Decimal(Decimal),
    Integer(i64),
    Boolean(bool),
    Uuid(Uuid),
}

/// Which rows. Comparisons with NULL are neither true nor false, as in SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowCondition {
    /// All of these conditions hold. An empty list matches every row.
    All(Vec<RowCondition>),
    /// At least one of these conditions holds. An empty list matches no row.
    Any(Vec<RowCondition>),
    Not(Box<RowCondition>),
    /// The value is of the column's kind.
    Compare {
        column: &'static StoreColumn,
        comparison: Comparison,
        value: Value,
    },
    In {
        column: &'static StoreColumn,
        values: Vec<Value>,
    },
    Is {
        column: &'static StoreColumn,
        state: IsOperand,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// The operand of IS. All but the first two apply to booleans only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsOperand {
    Null,
    NotNull,
    True,
    False,
    Unknown,
}

/// A member of each row of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    pub column: &'static StoreColumn,
    /// Another name than the column's.
    pub alias: Option<String>,
    /// As a string, which keeps the digits of a number in readers that make floats of numbers. Not for
    /// [`ColumnKind::Instant`] and [`ColumnKind::Object`].
    pub as_text: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    pub column: &'static StoreColumn,
    pub descending: bool,
    pub nulls_first: bool,
}

/// A question about the rows of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableQuery {
    pub table: StoreTable,
    /// At most [`MAX_COLUMNS`].
    pub columns: Vec<Output>,
    pub condition: RowCondition,
    /// Rows that are equal in this are in the order of the table's key.
    pub order: Vec<Order>,
    pub limit: u64,
    pub offset: u64,
    /// The most bytes of the array.
    pub max_bytes: u64,
    /// Whether to count the rows that there are without limit and offset.
    pub count: bool,
    /// Of [`StoreTable::DailyMetrics`]: the values that were known at this instant, without judgements, which are not kept.
    pub as_of: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TablePage {
    /// A JSON array of objects, every number with the digits that are stored; `None` where it would be longer than
    /// [`TableQuery::max_bytes`].
    pub json: Option<String>,
    /// How many rows were found within limit and offset.
    pub rows: u64,
    /// The number of all rows, if it was requested.
    pub total: Option<u64>,
}

#[async_trait]
pub trait Tables: Send + Sync {
    /// Rows of one of the tables as JSON; the same text, up to white space and the order of keys within a column's
    /// object, whichever database it is. One statement.
    async fn table(&self, query: &TableQuery) -> Result<TablePage, StoreError>;
}

impl StoreTable {
    pub fn name(self) -> &'static str {
        self.into()
    }

    pub fn columns(self) -> &'static [StoreColumn] {
        match self {
            Self::DailyMetrics => DAILY_METRICS,
            Self::MetricDefinitions => METRIC_DEFINITIONS,
            Self::MetricCollectionLog => METRIC_COLLECTION_LOG,
        }
    }

    pub fn column(self, name: &str) -> Option<&'static StoreColumn> {
        self.columns().iter().find(|column| column.name == name)
    }

    /// The columns of the table's key, which is unique for each tenant.
    pub(in crate::store) fn key(self) -> &'static [&'static str] {
        match self {
            Self::DailyMetrics => &["metric_date", "metric_category", "metric_type"],
            Self::MetricDefinitions => &["metric_category", "metric_type"],
            Self::MetricCollectionLog => &["started_at", "id"],
        }
    }
}

impl Order {
    /// NULLs count as greater than everything, as PostgreSQL has it.
    pub fn by(column: &'static StoreColumn, descending: bool) -> Self {
        Self { column, descending, nulls_first: descending }
    }
}

impl Comparison {
    pub(in crate::store) fn operator(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
        }
    }

    /// Whether it holds between two values that compare as `ordering`.
    pub fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
        }
    }
}

const fn column(name: &'static str, kind: ColumnKind) -> StoreColumn {
    StoreColumn { name, kind, nullable: false }
}

const fn nullable(name: &'static str, kind: ColumnKind) -> StoreColumn {
    StoreColumn { name, kind, nullable: true }
}

/// `value` and `metadata` are those in force; `recorded_value` is that of the record, and `revision` the number of the revision in
/// force. Days whose value was withdrawn have no row.
static DAILY_METRICS: &[StoreColumn] = &[
    column("id", ColumnKind::Uuid),
    column("metric_date", ColumnKind::Date),
    column("metric_type", ColumnKind::Text),
    column("metric_category", ColumnKind::Text),
    column("value", ColumnKind::Decimal),
    column("metadata", ColumnKind::Object),
    // Derived: the statement takes it from daily_metric_judgements.
    nullable("judgement", ColumnKind::Object),
    column("provenance", ColumnKind::Text),
    column("recorded_value", ColumnKind::Decimal),
    nullable("revision", ColumnKind::Integer),
    column("definition_version", ColumnKind::Integer),
    column("collection_id", ColumnKind::Uuid),
    column("collection_timestamp", ColumnKind::Instant),
    column("created_at", ColumnKind::Instant),
];

static METRIC_DEFINITIONS: &[StoreColumn] = &[
    column("id", ColumnKind::Uuid),
    column("metric_type", ColumnKind::Text),
    column("metric_category", ColumnKind::Text),
    column("display_name", ColumnKind::Text),
    column("description", ColumnKind::Text),
    column("unit", ColumnKind::Text),
    column("format_pattern", ColumnKind::Text),
    column("is_active", ColumnKind::Boolean),
    column("version", ColumnKind::Integer),
    column("created_at", ColumnKind::Instant),
    column("updated_at", ColumnKind::Instant),
];

static METRIC_COLLECTION_LOG: &[StoreColumn] = &[
    column("id", ColumnKind::Uuid),
    column("kind", ColumnKind::Text),
    column("collection_date", ColumnKind::Date),
    column("collection_end_date", ColumnKind::Date),
    column("started_at", ColumnKind::Instant),
    nullable("completed_at", ColumnKind::Instant),
    column("status", ColumnKind::Text),
    column("metrics_collected", ColumnKind::Integer),
    nullable("error_message", ColumnKind::Text),
    nullable("error_details", ColumnKind::Object),
    column("trigger", ColumnKind::Text),
    column("actor", ColumnKind::Text),
    column("host", ColumnKind::Text),
    column("process_id", ColumnKind::Integer),
    column("created_at", ColumnKind::Instant),
];
