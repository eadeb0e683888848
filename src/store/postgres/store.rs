//! The store: its pool, its sessions and its errors.

use std::{collections::BTreeSet, time::Duration};

use parking_lot::Mutex;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, PgPool, postgres::PgConnectOptions};
use tokio::sync::OnceCell;

use super::{
    connection::{self, SHARED_SESSION},
    session_probe::is_own_session,
};
use crate::{
    database::{Fault, FaultClass, RetryPolicy, with_unreadable_file},
    store::{Store, StoreError, StoreOptions, row},
};

pub struct PostgresStore {
    pub(super) options: PgConnectOptions,
    pub(super) pool: PgPool,
    pub(super) location: String,
    pub(super) tenant: String,
    pub(super) schema: String,
    pub(super) retry: RetryPolicy,
    /// Set in every session.
    pub(super) settings: String,
    pub(super) connect_timeout: Duration,
    /// How long an operation may take. Its statements end before, so that a server that has not answered by then hangs, or can
    /// no longer be reached over this connection.
    pub(super) answer_timeout: Duration,
    /// Set once the server has been seen to give this process sessions of its own.
    pub(super) has_own_sessions: OnceCell<()>,
    /// Set once the store has been seen to have exactly the migrations that this binary knows.
    pub(super) migrated: OnceCell<()>,
    /// Years whose partition is known to exist.
    pub(super) partitions: Mutex<BTreeSet<i16>>,
}

impl Store for PostgresStore {}

impl PostgresStore {
    /// `shown` is the URL without its password.
    pub fn new(connection: &PgConnectOptions, shown: &str, options: StoreOptions) -> Self {
        let StoreOptions { tenant, schema, retry, statement_timeout } = options;
        let options = connection::named(connection);
        let settings = connection::settings(&schema, statement_timeout);
        let connect_timeout = connection::connect_timeout(statement_timeout);
        Self {
            pool: connection::pool(options.clone(), settings.clone(), connect_timeout),
            options,
            settings,
            connect_timeout,
            answer_timeout: connection::answer_timeout(statement_timeout),
            location: format!("{shown} (schema {schema})"),
            tenant,
            schema,
            retry,
            has_own_sessions: OnceCell::new(),
            migrated: OnceCell::new(),
            partitions: Mutex::new(BTreeSet::new()),
        }
    }

    pub(super) fn failed(&self, error: sqlx::Error) -> StoreError {
        row::failed(&self.location, error)
    }

    fn unconnected(&self, error: sqlx::Error) -> StoreError {
        match self.failed(error) {
            StoreError::Fault { location, fault } => {
                StoreError::Fault { location, fault: with_unreadable_file(fault, &self.options) }
            }
            other => other,
        }
    }

    pub(super) fn fault(&self, class: FaultClass, message: String) -> StoreError {
        StoreError::Fault { location: self.location.clone(), fault: Fault::new(class, message) }
    }

    /// A session outside the pool. Unlike the pool, which waits for a server that refuses connections and then says
    /// only that it waited, this fails at once and with the server's own words.
    pub(super) async fn connect(&self) -> Result<PgConnection, StoreError> {
        let connecting = async {
            let connected = PgConnection::connect_with(&self.options).await;
            let mut session = connected.map_err(|error| self.unconnected(error))?;
            self.has_own_sessions.get_or_try_init(|| self.require_own_session(&mut session)).await?;
            session
                .execute(AssertSqlSafe(self.settings.as_str()))
                .await
                .map_err(|error| self.failed(error))?;
            Ok(session)
        };
        match tokio::time::timeout(self.connect_timeout, connecting).await {
            Ok(session) => session,
            Err(_) => {
                let message = format!("no answer in {} s", self.connect_timeout.as_secs());
                Err(self.fault(FaultClass::Unreachable, message))
            }
        }
    }

    /// Fails before anything is set or locked in a session that other clients get as well.
    async fn require_own_session(&self, session: &mut PgConnection) -> Result<(), StoreError> {
        match is_own_session(session, &self.options).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.fault(FaultClass::Other, SHARED_SESSION.to_owned())),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// The pool, once the store is known to be migrated.
    pub(super) async fn pool(&self) -> Result<&PgPool, StoreError> {
        self.migrated.get_or_try_init(|| self.check_migrated()).await?;
        Ok(&self.pool)
    }

    async fn check_migrated(&self) -> Result<(), StoreError> {
        let pending = self.unapplied_migrations().await?;
        if pending.is_empty() {
            return Ok(());
        }
        Err(StoreError::NotMigrated { location: self.location.clone(), pending })
    }
}
