//! Locks: session-level advisory locks, each held by a session of its own, so that the server releases the lock of a
//! process that dies. They need a connection that stays one session: a pooler in transaction mode is refused.

use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::sync::Mutex;

use super::PostgresStore;
use crate::store::{Held, LockName, StoreError};

/// How long a session that holds a lock may take to answer; after that the lock counts as lost.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Half a second for a holder that is ending: the server detects the end of a session a little later than the process
/// ends. The keepalives are in seconds: if the machine of a holder fails, the server releases its locks after 2
/// minutes.
const SETTINGS: &str = "SET lock_timeout TO 500; SET tcp_keepalives_idle TO 60; SET tcp_keepalives_interval TO 10; SET tcp_keepalives_count TO 6";

/// Dropping the session closes it, and its end releases the lock.
struct HeldSession {
    session: Mutex<PgConnection>,
}

#[async_trait]
impl Held for HeldSession {
    async fn is_held(&self) -> bool {
        let mut session = self.session.lock().await;
        matches!(tokio::time::timeout(ANSWER_TIMEOUT, session.ping()).await, Ok(Ok(())))
    }

    /// The time at which the session's last statement began is the heartbeat; [`Held::is_held`] sends none.
    async fn beat(&self) {
        let mut session = self.session.lock().await;
        let _ = tokio::time::timeout(ANSWER_TIMEOUT, session.execute("SELECT 1")).await;
    }
}

const HOLDER_NAME: &str =
    "format('%s%s (session %s)', coalesce(nullif(application_name, ''), 'a client without a name'),
    ' from ' || host(client_addr), pid)";

/// In seconds. `query_start` is null to roles that may not see the sessions of the holder's role.
const HEARTBEAT_AGE: &str = "extract(epoch FROM clock_timestamp() - query_start)::FLOAT8";

/// The session that holds the lock of a key. A key of 64 bits is shown as two halves.
const OF_HOLDER: &str = "
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND mode = 'ExclusiveLock' AND objsubid = 1
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND (classid::BIGINT << 32) | objid::BIGINT = hashtextextended('daymark:' || $1 || ':' || $2 || ':' || $3, 0)
    LIMIT 1";

impl PostgresStore {
    pub(super) async fn holding_session(&self, name: &LockName) -> Result<Option<String>, StoreError> {
        let query = sqlx::query_scalar(AssertSqlSafe(format!("SELECT {HOLDER_NAME} {OF_HOLDER}")));
        let query = query.bind(&self.schema).bind(&self.tenant).bind(name.to_string());
        query.fetch_optional(self.pool().await?).await.map_err(|error| self.failed(error))
    }

    pub(super) async fn session_age(&self, name: &LockName) -> Result<Option<SignedDuration>, StoreError> {
        let query = sqlx::query_scalar(AssertSqlSafe(format!("SELECT {HEARTBEAT_AGE} {OF_HOLDER}")));
        let query = query.bind(&self.schema).bind(&self.tenant).bind(name.to_string());
        let age: Option<Option<f64>> =
            query.fetch_optional(self.pool().await?).await.map_err(|error| self.failed(error))?;
        Ok(age.flatten().and_then(|seconds| SignedDuration::try_from_secs_f64(seconds).ok()))
    }

    /// If no session holds the lock, the statement holds it in shared mode until its transaction ends.
    pub(super) async fn has_holder(&self, name: &LockName) -> Result<bool, StoreError> {
        let query = sqlx::query_scalar(
            "SELECT NOT pg_try_advisory_xact_lock_shared(hashtextextended('daymark:' || $1 || ':' || $2 || ':' || $3, 0))",
        );
        let query = query.bind(&self.schema).bind(&self.tenant).bind(name.to_string());
        query.fetch_one(self.pool().await?).await.map_err(|error| self.failed(error))
    }

    /// `select_incomplete_runs.sql` and `select_schedule.sql` try the same key, shared.
    pub(super) async fn lock_named(&self, name: &LockName) -> Result<Option<Box<dyn Held>>, StoreError> {
        self.pool().await?;
        let mut session = self.connect().await?;
        // The name is what another process says of this one while it holds the lock.
        let settings =
            format!("{SETTINGS}; SET application_name TO 'daymark process {}'", std::process::id());
        session.execute(AssertSqlSafe(settings)).await.map_err(|error| self.failed(error))?;
        let taken = sqlx::query(
            "SELECT pg_advisory_lock(hashtextextended('daymark:' || $1 || ':' || $2 || ':' || $3, 0))",
        )
        .bind(&self.schema)
        .bind(&self.tenant)
        .bind(name.to_string())
        .execute(&mut session)
        .await;
        match taken {
            Ok(_) => Ok(Some(Box::new(HeldSession { session: Mutex::new(session) }))),
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("55P03") => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }
}
