//! The trait that the planner requires of a database connection that holds a snapshot open.

use async_trait::async_trait;

use super::dialect::Dialect;
use crate::{database::Fault, platform::contract::Staleness};

/// An answer: the id of the span (or 0) and the values, as text.
pub type Answer = (usize, Vec<Option<String>>);

/// The id of an answer that belongs to no span.
pub const NO_SPAN: usize = usize::MAX;

/// The most rows that one statement may answer with.
pub const MAX_ANSWERS: usize = 100_000;

#[async_trait]
pub trait Session: Send {
    fn dialect(&self) -> Dialect;

    /// Runs a statement under the time limit. When it fails, the snapshot stays usable unless the fault is
    /// [`crate::database::FaultClass::Unreachable`]. Stops reading after [`MAX_ANSWERS`] + 1 rows.
    async fn answers(&mut self, sql: &str) -> Result<Vec<Answer>, Fault>;

    /// What may be older than the snapshot, the server as a whole and each of `relations` (names in SQL).
    async fn staleness(&mut self, relations: Vec<String>) -> Result<Vec<Staleness>, Fault>;

    /// See [`crate::platform::Cut::refuse_hidden_rows`].
    async fn refuse_hidden_rows(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    /// The database's plan for the statement, which is not run.
    async fn explain(&mut self, sql: &str) -> Result<String, Fault>;
}
