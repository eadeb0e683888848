//! The store on PostgreSQL 14 or later, in a schema of its own. Every session's search_path is that schema alone, so
//! the statements here name no schema, and nothing of the database around it is touched.

mod commit;
mod connection;
mod definitions;
mod events;
mod jobs;
mod keys;
mod lock;
mod migrate;
mod records;
mod runs;
mod session_probe;
mod table;
mod text;
mod upkeep;
mod watch;

use std::{collections::BTreeSet, sync::Mutex, time::Duration};

use sqlx::{PgPool, postgres::PgConnectOptions};
use tokio::sync::OnceCell;

use super::{StoreError, StoreOptions, row};
use crate::database::{Fault, FaultClass, RetryPolicy};

pub(super) struct PostgresStore {
    options: PgConnectOptions,
    pool: PgPool,
    location: String,
    tenant: String,
    schema: String,
    retry: RetryPolicy,
    /// Set in every session.
    settings: String,
    connect_timeout: Duration,
    /// Set once the server has been seen to give this process sessions of its own.
    has_own_sessions: OnceCell<()>,
    /// Set once the store has been seen to have exactly the migrations that this binary knows.
    migrated: OnceCell<()>,
    /// Years whose partition is known to exist.
    partitions: Mutex<BTreeSet<i16>>,
}

impl PostgresStore {
    /// `shown` is the URL without its password.
    pub(super) fn new(connection: &PgConnectOptions, shown: &str, options: StoreOptions) -> Self {
        let StoreOptions { tenant, schema, retry, statement_timeout } = options;
        let options = connection::named(connection);
        let settings = connection::settings(&schema, statement_timeout);
        let connect_timeout = connection::connect_timeout(statement_timeout);
        Self {
            pool: connection::pool(options.clone(), settings.clone(), connect_timeout),
            options,
            settings,
            connect_timeout,
            location: format!("{shown} (schema {schema})"),
            tenant,
            schema,
            retry,
            has_own_sessions: OnceCell::new(),
            migrated: OnceCell::new(),
            partitions: Mutex::new(BTreeSet::new()),
        }
    }

    /// Repeats `attempt` after a transient failure, as often as the store's options say.
    async fn retry<T, F>(&self, attempt: impl FnMut() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        self.retry.run(StoreError::is_transient, attempt).await
    }

    fn failed(&self, error: sqlx::Error) -> StoreError {
        row::failed(&self.location, error)
    }

    fn fault(&self, class: FaultClass, message: String) -> StoreError {
        StoreError::Fault { location: self.location.clone(), fault: Fault::new(class, message) }
    }
}
