//! The trait that the planner requires of a database connection that holds a snapshot open.

use async_trait::async_trait;

use super::dialect::Dialect;
use crate::{
    database::{Fault, FaultClass},
    platform::contract::OldStates,
};

/// An answer: the id of the span (or 0) and the values, as text.
pub type SpanRow = (usize, Vec<Option<String>>);

/// The id of an answer that belongs to no span.
pub const NO_SPAN: usize = usize::MAX;

/// The most rows that one statement may answer with.
pub const MAX_ANSWERS: usize = 100_000;

/// Whether the failure of one statement ends all of them, because the snapshot is lost or the run was cancelled.
pub fn ends_the_cut(fault: &Fault) -> bool {
    matches!(fault.class, FaultClass::Unreachable | FaultClass::Cancelled)
}

#[async_trait]
pub trait Session: Send {
    fn dialect(&self) -> Dialect;

    /// Runs a statement under the time limit. When it fails, the snapshot stays usable unless the fault is
    /// [`crate::database::FaultClass::Unreachable`]. Stops reading after [`MAX_ANSWERS`] + 1 rows.
    async fn answers(&mut self, sql: &str) -> Result<Vec<SpanRow>, Fault>;

    /// The server as a whole, and those of `relations` (names in SQL) and of what they read that may be older than the snapshot.
    async fn staleness(&mut self, relations: Vec<String>) -> Result<OldStates, Fault>;

    /// The tables and views that the statement names, as names in SQL. The statement is analysed and not run. Empty where
    /// the database has none that could be older than the snapshot.
    async fn relations(&mut self, _sql: &str) -> Result<Vec<String>, Fault> {
        Ok(Vec::new())
    }

    /// The database's plan for the statement, which is not run.
    async fn explain(&mut self, sql: &str) -> Result<String, Fault>;
}
