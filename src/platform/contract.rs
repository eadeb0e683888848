//! The contracts [`Platform`] and [`Cut`] of reading a platform, and their types.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    detected_format::DetectedFormats,
    schema::{DescribedQuery, Schema},
    statistics::{SampledTable, Statistics},
};
use crate::{
    database::{Deadline, Fault, FaultClass, RetryPolicy},
    metric::{Calendar, DayBounds, Reading, Source, Tally},
};

/// Sources by their names.
pub type Sources = BTreeMap<String, Source>;

/// For every reading, in order, a tally for every day, in order; or why there is none.
pub type ReadingResults = Vec<Result<Vec<Tally>, Fault>>;

/// A snapshot was lost while it was read, for example because the connection broke.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{fault}")]
pub struct LostCut {
    pub fault: Fault,
    /// The readings, by their indexes, at whose statement it was lost.
    pub readings: Vec<usize>,
}

impl From<LostCut> for Fault {
    fn from(lost: LostCut) -> Self {
        lost.fault
    }
}

/// A statement that the planner would run, for people to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedStatement {
    /// The sources it reads.
    pub sources: Vec<String>,
    /// The purpose of the statement and the access path that it expects.
    pub purpose: String,
    pub sql: String,
}

/// A statement for a function in the database, which runs it for the day that it is called with. The statement takes three
/// parameters: the date, the starts of dates (a `timestamptz[]` whose subscript 0 is the day, 1 the next date, -6 that of six
/// days before), and the date of the next day that exists. It returns one row with a tally for each reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionTask {
    /// The indexes of its readings, in the order of its tallies.
    pub readings: Vec<usize>,
    /// Whether it repeats one reading of another task, for when that task fails.
    pub is_alone: bool,
    pub purpose: String,
    pub sql: String,
}

/// A statement that finds the earliest row of a source for a function in the database. It returns a text array with one number:
/// the seconds since 1970, or NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstRowStatement {
    pub source_name: String,
    pub sql: String,
    /// Whether the number is that of midnight UTC of a date, which is the day itself.
    pub is_date: bool,
    /// Whether the number is one of milliseconds.
    pub is_millis: bool,
    /// The zone of which the number is a local time.
    pub local_zone: Option<String>,
}

/// Which database a platform is, and where unqualified names are looked up in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabasePlace {
    /// The same for two connections if and only if they lead to the same database.
    pub identity: String,
    pub search_path: Vec<String>,
}

/// A column that says yes or no about one row, found by its `id`: whether a user of the platform is its admin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag<'a> {
    /// A table that an unqualified name finds.
    pub table: &'a str,
    pub column: &'a str,
}

/// Options of every statement that is sent to a platform.
#[derive(Debug, Clone)]
pub struct PlatformOptions {
    /// The reporting zone: windows of several days also need the bounds of days before the requested ones.
    pub calendar: Calendar,
    /// The most that one statement may take.
    pub statement_timeout: Duration,
    /// The most that one statement may wait for a lock.
    pub lock_timeout: Duration,
    /// For statements that fail because of another session's lock.
    pub retry: RetryPolicy,
    /// Materialized views, foreign tables and views over them that the user answers for: they are taken to be up to date.
    pub assume_fresh: Vec<String>,
}

/// The state of a part of the platform that may be older than the snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staleness {
    /// The subject of a sentence, as in `materialized view daily_posts`.
    pub of: String,
    /// All commits on the origin before this instant are visible. `None`: unknown.
    pub complete_until: Option<Timestamp>,
    /// Whether it is known to lack something that its origin has committed. Then it has to catch up with the present before
    /// a day is recorded; otherwise it is enough that the day was over.
    pub is_lagging: bool,
    /// The behaviour of a run while `complete_until` is before the end of the day, or unknown.
    pub when_stale: WhenStale,
    /// Why it shows no newer state, as a sentence without a full stop.
    pub reason: String,
}

/// The objects that may be older than the snapshot in which they are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OldStates {
    /// The platform as a whole: a standby, a server with an open transaction, or a file.
    pub platform: Option<Staleness>,
    /// Each object with the relation that it is or that reads it, as it was asked for.
    pub objects: Vec<(String, Staleness)>,
}

/// The relations that a reading reads, as names in SQL; or why they are unknown.
pub type ReadRelations = Result<BTreeSet<String>, Fault>;

/// The behaviour of a run for a state that is, or may be, from before the end of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenStale {
    /// Waits for it to catch up, and does not record what reads it when it does not.
    Wait,
    /// Does not record what reads it, because waiting does not help.
    Refuse,
    /// Records what it sees; `check` warns.
    Warn,
}

/// A platform that can be read.
#[async_trait]
pub trait Platform: Send + Sync {
    /// Where the platform is, for messages; without credentials.
    fn location(&self) -> String;

    /// The tables and views that the platform's role can see, with columns and the indexes that matter.
    async fn inspect(&self) -> Result<Schema, Fault>;

    /// What each query returns, as far as it can be told without running it.
    async fn describe(&self, queries: &BTreeSet<String>) -> Result<Vec<DescribedQuery>, Fault>;

    /// As [`Self::inspect`], and what the queries of sources return.
    async fn inspect_with(&self, queries: &BTreeSet<String>) -> Result<Schema, Fault> {
        let mut schema = self.inspect().await?;
        if !queries.is_empty() {
            schema.queries = self.describe(queries).await?;
        }
        Ok(schema)
    }

    /// Detects the time format from the values of columns whose type does not determine it (SQLite's). Reads a sample
    /// of bounded size. A table may also be the text of a query.
    async fn detect_time_formats(&self, columns: &[(String, String)]) -> Result<DetectedFormats, Fault>;

    /// Row counts, filled columns, foreign keys and the distinct values of columns that have few, of the given tables.
    /// Estimates from the database's statistics and from a bounded sample: for suggestions, never for records.
    async fn statistics(&self, tables: &[SampledTable]) -> Result<Statistics, Fault>;

    /// The names of the platform role's privileges beyond reading tables that a SQL query could use, even in a
    /// read-only transaction.
    async fn privileges(&self) -> Result<Vec<String>, Fault>;

    /// The name of the platform's role, if it cannot see the open transactions of other roles: a day could be recorded before they have
    /// ended, without their rows.
    async fn role_that_sees_no_transactions(&self) -> Result<Option<String>, Fault> {
        Ok(None)
    }

    /// The present by the clock of the platform's server; `None` where it has none of its own (SQLite).
    async fn now(&self) -> Result<Option<Timestamp>, Fault>;

    /// Opens one consistent, read-only snapshot of the platform. No statement in it runs longer than until `deadline`;
    /// once that is over, each fails with [`crate::database::FaultClass::TimedOut`].
    async fn open_cut(&self, deadline: Deadline) -> Result<Box<dyn Cut>, Fault>;

    /// Whether the flag of the row with this id is set; `false` when there is no such row. Takes one connection and one
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

    /// Where the platform is, for a function that is installed in the same database.
    ///
    /// # Errors
    /// Also when it is no PostgreSQL database.
    async fn database_place(&self) -> Result<DatabasePlace, Fault> {
        Err(no_functions())
    }

    /// The statements of a function that records a day. `helpers` is the schema of its helper functions, as SQL.
    ///
    /// # Errors
    /// Also when the platform is no PostgreSQL database.
    fn plan_function(
        &self,
        _schema: &Schema,
        _sources: &Sources,
        _readings: &[Reading],
        _helpers: &str,
    ) -> Result<Vec<FunctionTask>, Fault> {
        Err(no_functions())
    }

    /// The statement with which that function finds the earliest row of a source.
    ///
    /// # Errors
    /// Also when the platform is no PostgreSQL database.
    fn plan_first_row(&self, _name: &str, _source: &Source) -> Result<FirstRowStatement, Fault> {
        Err(no_functions())
    }
}

fn no_functions() -> Fault {
    Fault::new(FaultClass::Other, "SQL functions need a platform on PostgreSQL")
}

/// A snapshot. Dropping it ends it.
#[async_trait]
pub trait Cut: Send {
    /// Answers every reading for every day. The outer result fails when the snapshot is lost (the connection broke):
    /// everything must be read again from another one. The inner results are those of the readings, in order, each with
    /// a tally for every day of `days`, in order.
    async fn read(
        &mut self,
        schema: &Schema,
        sources: &Sources,
        readings: &[Reading],
        days: &[DayBounds],
    ) -> Result<ReadingResults, LostCut>;

    /// The earliest instant in the source's time column; for a date column, midnight UTC of that date.
    async fn earliest(&mut self, source: &Source) -> Result<Option<Timestamp>, Fault>;

    /// The relations that each reading reads, in order: the tables of its sources, or the relations of a query's text, which
    /// are the same for every day; `day` is any.
    async fn relations(
        &mut self,
        sources: &Sources,
        readings: &[Reading],
        day: &DayBounds,
    ) -> Result<Vec<ReadRelations>, Fault>;

    /// Finds which of `relations`, and of the relations that these read, may be older than the snapshot, and whether the whole platform may be.
    async fn staleness(&mut self, relations: &BTreeSet<String>) -> Result<OldStates, Fault>;

    /// Has the platform parse and plan what would be run, without running it. One result a reading.
    async fn explain(
        &mut self,
        schema: &Schema,
        sources: &Sources,
        readings: &[Reading],
        days: &[DayBounds],
    ) -> Result<Vec<Result<String, Fault>>, Fault>;
}
