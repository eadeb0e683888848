//! Detects commits by any process, so that cached answers are dropped when the store changes.

use std::sync::Arc;

/// Watches a store for commits from its creation on.
pub trait Watch: Send + Sync {
    /// A number that differs from an earlier one if anything may have been committed to the store in between, by this
    /// process or another. `None` while commits cannot be detected: no answer may be cached then. Costs microseconds.
    fn store_version(&self) -> Option<u64>;
}

/// A watch that is shared.
pub type SharedWatch = Arc<dyn Watch>;
