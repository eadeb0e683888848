//! The platform: somebody else's database, read and never written. A [`Cut`] is one consistent snapshot of it, in
//! which [`Reading`]s are answered for any number of days with as few statements as the planner can.
//!
//! **Architecture Invariant:** every statement runs in a read-only transaction, and SELECT is the only permission needed.
//! **Architecture Invariant:** nothing above this layer writes SQL against the platform.

mod schema;

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;

pub use schema::{Column, ColumnType, Schema, Table};

use crate::{
    database::Fault,
    metric::{DayBounds, Reading, Source, Tally},
};

pub type Sources = BTreeMap<String, Source>;

/// A statement that the planner would run, for people to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedStatement {
    /// The sources it reads.
    pub sources: Vec<String>,
    /// What it does and which access path it counts on.
    pub purpose: String,
    pub sql: String,
    /// Indexes into the readings that were planned.
    pub readings: Vec<usize>,
}

/// A platform that can be read.
#[async_trait]
pub trait Platform: Send + Sync {
    /// Where the platform is, for messages; without credentials.
    fn location(&self) -> String;

    /// The tables and views that the platform's role can see, with columns and the indexes that matter.
    async fn inspect(&self) -> Result<Schema, Fault>;

    /// Opens one consistent, read-only snapshot of the platform.
    async fn open_cut(&self) -> Result<Box<dyn Cut>, Fault>;

    /// The statements that [`Cut::read`] would run. `days` are consecutive.
    fn plan(
        &self,
        schema: &Schema,
        sources: &Sources,
        readings: &[Reading],
        days: &[DayBounds],
    ) -> Vec<PlannedStatement>;
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
