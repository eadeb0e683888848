//! What the planner and the executor need of a database connection that holds a snapshot open.

use async_trait::async_trait;

use super::dialect::Dialect;
use crate::{
    database::{Fault, RetryPolicy},
    metric::Calendar,
};

/// An answer: the id of the span (or 0) and the values, as text.
pub type Answer = (usize, Vec<Option<String>>);

/// The id of an answer that belongs to no span.
pub const NO_SPAN: usize = usize::MAX;

/// The most rows that one statement may answer with; what asks for more is asked for fewer days at a time.
pub const MAX_ANSWERS: usize = 100_000;

#[async_trait]
pub trait Session: Send {
    fn dialect(&self) -> Dialect;

    /// Runs a statement under the time limit. When it fails, the snapshot stays usable unless the fault is
    /// [`crate::database::FaultClass::Unreachable`]. Stops reading after [`MAX_ANSWERS`] + 1 rows.
    async fn answers(&mut self, sql: &str) -> Result<Vec<Answer>, Fault>;

    /// How many statements can run at once.
    fn at_once(&self) -> usize {
        1
    }

    /// As [`Self::answers`] of each statement, with as many of them at once as can run; the outcomes are in their order.
    async fn answers_of_all(&mut self, statements: &[String]) -> Vec<Result<Vec<Answer>, Fault>> {
        let mut outcomes = Vec::with_capacity(statements.len());
        for sql in statements {
            outcomes.push(self.answers(sql).await);
        }
        outcomes
    }

    /// The database's plan for the statement, which is not run.
    async fn explain(&mut self, sql: &str) -> Result<String, Fault>;
}

/// What applies to everything that is asked of a platform.
#[derive(Debug, Clone)]
pub struct PlatformOptions {
    /// The reporting zone: windows that reach back over several days need more of it than the days asked for.
    pub calendar: Calendar,
    pub statement_timeout: std::time::Duration,
    pub lock_timeout: std::time::Duration,
    /// For statements that fail because of somebody's lock.
    pub retry: RetryPolicy,
    pub parallel: Parallel,
}

/// When a table is read in parts by several sessions at once (SQLite only; PostgreSQL has parallel workers of its own).
#[derive(Debug, Clone, Copy)]
pub struct Parallel {
    /// The most sessions of a cut.
    pub sessions: usize,
    /// Tables with fewer rows are read as a whole.
    pub min_rows: u64,
}

/// More would take the processors from the platform's own application, and each is a thread with a cache.
const MAX_SESSIONS: usize = 4;
/// Counting so many rows takes some milliseconds, of which another session could save half.
const MIN_ROWS: u64 = 50_000;

impl Default for Parallel {
    /// As many sessions as there are processors, up to four.
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { sessions: processors.min(MAX_SESSIONS), min_rows: MIN_ROWS }
    }
}
