//! Noticing that something was recorded, by any process, so that cached answers end with the state that they describe.

use std::sync::Arc;

/// Looks at a store from now on.
pub trait Watch: Send + Sync {
    /// A number that differs from an earlier one if anything may have been committed to the store in between, by this
    /// process or another. `None` while that cannot be told: nothing may be kept then. Costs microseconds.
    fn marker(&self) -> Option<u64>;
}

/// A watch that is shared.
pub type SharedWatch = Arc<dyn Watch>;
