//! The contracts [`Platform`] and [`Cut`] of reading a platform, and their types.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    schema::Schema,
    statistics::{SampledTable, Statistics},
};
use crate::{
    database::{Deadline, Fault, RetryPolicy},
    metric::{Calendar, DayBounds, Reading, Source, Tally, TimeFormat},
};

/// Sources by their names.
pub type Sources = BTreeMap<String, Source>;

/// The time formats of columns, by table and column, as detected from their values. A column with values in several
/// formats is absent.
pub type DetectedFormats = HashMap<(String, String), DetectedFormat>;

/// For every reading, in order, a tally for every day, in order; or why there is none.
pub type ReadingResults = Vec<Result<Vec<Tally>, Fault>>;

/// The time format that the values of a column show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DetectedFormat {
    /// `None` for a column that has no values yet.
    pub format: Option<TimeFormat>,
    /// Whether a row has no value there.
    pub has_null: bool,
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
    /// What a run does while `complete_until` is before the end of the day, or unknown.
    pub when_stale: WhenStale,
    /// Why it shows no newer state, as a sentence without a full stop.
    pub reason: String,
}

/// What may be older than the snapshot in which it is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OldStates {
    /// The platform as a whole: a standby, or a file.
    pub platform: Option<Staleness>,
    /// Each object with the relation that it is or that reads it, as it was asked for.
    pub objects: Vec<(String, Staleness)>,
}

/// The relations that a reading reads, as names in SQL; or why they cannot be told.
pub type ReadRelations = Result<BTreeSet<String>, Fault>;

/// What a run does about a state that is, or may be, from before the end of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenStale {
    /// Waits for it to catch up, and does not record what reads it when it does not.
    Wait,
    /// Does not record what reads it: waiting tells nothing new.
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

    /// Detects the time format from the values of columns whose type does not determine it (SQLite's). Reads a sample
    /// of bounded size.
    async fn detect_time_formats(&self, columns: &[(String, String)]) -> Result<DetectedFormats, Fault>;

    /// Row counts, filled columns, foreign keys and the distinct values of columns that have few, of the given tables.
    /// Estimates from the database's statistics and from a bounded sample: for suggestions, never for records.
    async fn statistics(&self, tables: &[SampledTable]) -> Result<Statistics, Fault>;

    /// The names of the platform role's privileges beyond reading tables that a SQL query could use, even in a
    /// read-only transaction.
    async fn privileges(&self) -> Result<Vec<String>, Fault>;

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
    ) -> Result<ReadingResults, Fault>;

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

    /// What of the platform, of `relations` and of what these read may be older than the snapshot.
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
