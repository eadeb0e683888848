//! How a store is opened.

use std::time::Duration;

use crate::database::RetryPolicy;

/// The PostgreSQL schema that holds Daymark's tables unless another one is configured.
pub const DEFAULT_SCHEMA: &str = "daymark";

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Whose records these are. Satisfies [`crate::metric::is_name`].
    pub tenant: String,
    /// The PostgreSQL schema of the tables; SQLite has none.
    pub schema: String,
    /// How often a call is tried again after a transient failure.
    pub retry: RetryPolicy,
    /// How long a statement may take. Where there is a limit a client waits for the answer, so that connecting to a server
    /// that is away is given up sooner, too.
    pub statement_timeout: Option<Duration>,
}
