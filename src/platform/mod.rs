//! The platform: somebody else's database, read and never written. A [`Cut`] is one consistent snapshot of it, in
//! which [`Reading`]s are answered for any number of days with as few statements as the planner can.
//!
//! **Architecture Invariant:** every statement runs in a read-only transaction, and SELECT is the only permission needed.
//! **Architecture Invariant:** nothing above this layer writes SQL against the platform.

mod absent;
mod classes;
mod cut;
mod detect;
mod dialect;
mod distinct;
mod enclosed;
mod execute;
mod flag;
mod labels;
mod moments;
mod parts;
mod postgres;
mod query;
mod scalars;
mod scan;
mod schema;
mod session;
mod span;
mod split;
mod sqlite;
mod task;
mod time;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use async_trait::async_trait;
use jiff::Timestamp;

pub use absent::absent;
pub use flag::Flag;
pub use schema::{Column, ColumnType, Schema, Table};
pub use session::{Parallel, PlatformOptions};

use crate::{
    database::{DatabaseUrl, Fault},
    metric::{Calendar, DayBounds, Reading, Source, Tally, TimeFormat},
};

pub type Sources = BTreeMap<String, Source>;

/// How columns store times, by table and column, as their values tell. A column whose values share no format of time is
/// absent.
pub type DetectedFormats = HashMap<(String, String), DetectedFormat>;

/// What the values of a column tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DetectedFormat {
    /// `None` of a column that has no values yet.
    pub format: Option<TimeFormat>,
    /// Whether a row has no value there.
    pub has_null: bool,
}

/// A statement that the planner would run, for people to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedStatement {
    /// The sources it reads.
    pub sources: Vec<String>,
    /// What it does and which access path it counts on.
    pub purpose: String,
    pub sql: String,
}

/// A platform that can be read.
#[async_trait]
pub trait Platform: Send + Sync {
    /// Where the platform is, for messages; without credentials.
    fn location(&self) -> String;

    /// The tables and views that the platform's role can see, with columns and the indexes that matter.
    async fn inspect(&self) -> Result<Schema, Fault>;

    /// For columns whose type leaves it open how they store a time (SQLite's), what their values say. Reads all of the
    /// given columns.
    async fn detect_time_formats(&self, columns: &[(String, String)]) -> Result<DetectedFormats, Fault>;

    /// Opens one consistent, read-only snapshot of the platform.
    async fn open_cut(&self) -> Result<Box<dyn Cut>, Fault>;

    /// Whether the flag of the row with this id is set; not so when there is no such row. Takes one connection and one
    /// indexed look-up, where `id` is indexed.
    async fn flag(&self, schema: &Schema, flag: Flag<'_>, id: &str) -> Result<bool, Fault>;

    /// The statements that [`Cut::read`] would run. `days` are consecutive.
    fn plan(
        &self,
        schema: &Schema,
        sources: &Sources,
        readings: &[Reading],
        days: &[DayBounds],
    ) -> Result<Vec<PlannedStatement>, Fault>;
}

/// The platform behind `url`. Nothing is connected yet.
pub fn open(url: &DatabaseUrl, options: PlatformOptions) -> Arc<dyn Platform> {
    match url {
        DatabaseUrl::Postgres { options: connect, shown, .. } => {
            Arc::new(postgres::PostgresPlatform::new((**connect).clone(), shown.clone(), options))
        }
        DatabaseUrl::Sqlite(path) => Arc::new(sqlite::SqlitePlatform::new(path.clone(), options)),
    }
}

fn plan_statements(
    dialect: dialect::Dialect,
    calendar: &Calendar,
    schema: &Schema,
    sources: &Sources,
    readings: &[Reading],
    days: &[DayBounds],
) -> Result<Vec<PlannedStatement>, Fault> {
    let all: Vec<_> = (0..readings.len()).collect();
    let mut statements = Vec::new();
    for task in task::plan(sources, readings, &all) {
        statements.extend(task.statements(dialect, schema, calendar, days)?);
    }
    Ok(statements)
}

/// A snapshot. Dropping it ends it.
#[async_trait]
pub trait Cut: Send {
    /// Answers every reading for every day. The outer result fails when the snapshot is lost (the connection broke):
    /// everything must be read again from another one. The inner ones are of the readings, in order, each with a
    /// tally for every day of `days`, in order.
    async fn read(
        &mut self,
        schema: &Schema,
        sources: &Sources,
        readings: &[Reading],
        days: &[DayBounds],
    ) -> Result<Vec<Result<Vec<Tally>, Fault>>, Fault>;

    /// The earliest instant in the source's time column; for a date column, midnight UTC of that date.
    async fn earliest(&mut self, source: &Source) -> Result<Option<Timestamp>, Fault>;

    /// Has the platform parse and plan what would be run, without running it. One result a reading.
    async fn explain(
        &mut self,
        schema: &Schema,
        sources: &Sources,
        readings: &[Reading],
        days: &[DayBounds],
    ) -> Result<Vec<Result<String, Fault>>, Fault>;
}
