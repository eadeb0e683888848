//! Locks: session-level advisory locks, each held by a session of its own, so that the server releases the lock of a
//! process that dies. They need a connection that stays one session: a pooler in transaction mode is refused.

use std::sync::Mutex;

use sqlx::{Executor, PgConnection};

use super::PostgresStore;
use crate::store::{Held, LockName, StoreError};

/// Half a second for a holder that is on its way out: the server notices the end of a session a little later than the
/// process that ended it. Keepalives, in seconds: the server lets go of a holder whose machine is gone after 2 minutes.
const SETTINGS: &str =
    "SET lock_timeout TO 500; SET idle_session_timeout TO 0; SET tcp_keepalives_idle TO 60;
    SET tcp_keepalives_interval TO 10; SET tcp_keepalives_count TO 6";

/// Dropping the session closes it, and its end releases the lock. The mutex is never locked: it makes the guard [`Sync`].
struct HeldSession {
    _session: Mutex<PgConnection>,
}

impl Held for HeldSession {}

impl PostgresStore {
    /// `select_runs.sql` tries the same key, shared.
    pub(super) async fn take_lock(&self, name: &LockName) -> Result<Option<Box<dyn Held>>, StoreError> {
        self.pool().await?;
        let mut session = self.connect().await?;
        session.execute(SETTINGS).await.map_err(|error| self.failed(error))?;
        let taken = sqlx::query(
            "SELECT pg_advisory_lock(hashtextextended('daymark:' || $1 || ':' || $2 || ':' || $3, 0))",
        )
        .bind(&self.schema)
        .bind(&self.tenant)
        .bind(name.to_string())
        .execute(&mut session)
        .await;
        match taken {
            Ok(_) => Ok(Some(Box::new(HeldSession { _session: Mutex::new(session) }))),
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("55P03") => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }
}
