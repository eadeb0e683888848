//! Bringing the schema and its tables up to date.

use std::time::{Duration, Instant};

use sqlx::{
    AssertSqlSafe, Connection, Executor, PgConnection,
    migrate::{MigrateError, Migrator},
};

use super::{PostgresStore, connection::quoted};
use crate::{
    database::FaultClass,
    store::{
        MigrationNames, StoreError,
        migrations::{Applied, SELECT_APPLIED, migrator, pending},
    },
};

/// The migrations in the order of their application. A released file is never changed, because its checksum is stored.
pub(super) const FILES: &[(&str, &str)] = &[
    ("0001_tables", include_str!("migrations/0001_tables.sql")),
    ("0002_immutability", include_str!("migrations/0002_immutability.sql")),
    ("0003_partitions", include_str!("migrations/0003_partitions.sql")),
    ("0004_access", include_str!("migrations/0004_access.sql")),
    ("0005_notify", include_str!("migrations/0005_notify.sql")),
    ("0006_alerts", include_str!("migrations/0006_alerts.sql")),
    ("0007_redactions", include_str!("migrations/0007_redactions.sql")),
    ("0008_old_events", include_str!("migrations/0008_old_events.sql")),
    ("0009_trust", include_str!("migrations/0009_trust.sql")),
];

/// The oldest release that has infinite NUMERIC values, which the tables refuse by name.
const OLDEST_SERVER: u32 = 140_000;

/// How long a migration waits for another one, and the interval at which it tries the lock again.
const TURN_TIMEOUT: Duration = Duration::from_secs(60);
const TURN_POLL_INTERVAL: Duration = Duration::from_millis(100);

impl PostgresStore {
    pub(super) async fn unapplied_migrations(&self) -> Result<MigrationNames, StoreError> {
        let mut session = self.connect().await?;
        let pending = self.pending_in(&mut session, &migrator(FILES)).await?;
        // The result is known, so an error of closing the session is ignored.
        let _ = session.close().await;
        Ok(pending)
    }

    pub(super) async fn apply_migrations(&self) -> Result<MigrationNames, StoreError> {
        let mut session = self.connect().await?;
        if session.server_version_num().is_some_and(|version| version < OLDEST_SERVER) {
            return Err(self.fault(FaultClass::Other, "Daymark needs PostgreSQL 14 or later".to_owned()));
        }
        self.await_turn(&mut session).await?;
        if self.may_use_schema(&mut session).await?.is_none() {
            let create = format!("CREATE SCHEMA {}", quoted(&self.schema));
            session.execute(AssertSqlSafe(create)).await.map_err(|error| self.failed(error))?;
        }
        let migrator = migrator(FILES);
        let applied = self.pending_in(&mut session, &migrator).await?;
        if !applied.is_empty() {
            self.refuse_strangers(&mut session).await?;
        }
        migrator.run_direct(None, &mut session, false).await.map_err(|error| self.migration_failed(error))?;
        // The server ends a closed session a moment later, and the next migration would wait for the lock until then.
        let released = sqlx::query("SELECT pg_advisory_unlock_all()").execute(&mut session).await;
        released.map_err(|error| self.failed(error))?;
        let _ = session.close().await;
        Ok(applied)
    }

    /// Waits until no other process migrates this schema, for [`TURN_TIMEOUT`] at most.
    async fn await_turn(&self, session: &mut PgConnection) -> Result<(), StoreError> {
        let started = Instant::now();
        let mut was_reported = false;
        loop {
            let holder = self.take_turn(session).await.map_err(|error| self.failed(error))?;
            let Some(holder) = holder else { return Ok(()) };
            let waiting = format!("{holder} holds the lock for migrations of schema {}", self.schema);
            if started.elapsed() >= TURN_TIMEOUT {
                let message = format!("{waiting} and did not release it within {} s", TURN_TIMEOUT.as_secs());
                return Err(self.fault(FaultClass::Other, message));
            }
            if !was_reported {
                tracing::warn!("{waiting}: waiting for it");
                was_reported = true;
            }
            tokio::time::sleep(TURN_POLL_INTERVAL).await;
        }
    }

    /// Takes the lock, or returns who holds it.
    async fn take_turn(&self, session: &mut PgConnection) -> Result<Option<String>, sqlx::Error> {
        let taken = sqlx::query_scalar(
            "SELECT pg_try_advisory_lock(hashtextextended('daymark:' || $1 || ':migrate', 0))",
        );
        if taken.bind(&self.schema).fetch_one(&mut *session).await? {
            return Ok(None);
        }
        // The key is a bigint, of which a lock has the high and the low half.
        let holder: Option<String> = sqlx::query_scalar(
            "SELECT format('session %s (%s)', l.pid, coalesce(nullif(a.application_name, ''), 'of no name'))
             FROM pg_locks AS l LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
             WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
               AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
               AND (l.classid::bigint << 32) | l.objid::bigint
                   = hashtextextended('daymark:' || $1 || ':migrate', 0)",
        )
        .bind(&self.schema)
        .fetch_optional(session)
        .await?;
        Ok(Some(holder.unwrap_or_else(|| "another session".to_owned())))
    }

    async fn pending_in(
        &self,
        session: &mut PgConnection,
        known: &Migrator,
    ) -> Result<MigrationNames, StoreError> {
        let applied = match self.may_use_schema(session).await? {
            None => Vec::new(),
            Some(false) => {
                let message = format!("the role has no USAGE privilege on the schema {}", self.schema);
                return Err(self.fault(FaultClass::Denied, message));
            }
            Some(true) => self.applied(session).await.map_err(|error| self.failed(error))?,
        };
        pending(&self.location, known, &applied)
    }

    /// `None` when the schema does not exist.
    async fn may_use_schema(&self, session: &mut PgConnection) -> Result<Option<bool>, StoreError> {
        sqlx::query_scalar("SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = $1")
            .bind(&self.schema)
            .fetch_optional(session)
            .await
            .map_err(|error| self.failed(error))
    }

    /// Refuses a schema that holds anything that is not Daymark's, before anything in it is touched.
    async fn refuse_strangers(&self, session: &mut PgConnection) -> Result<(), StoreError> {
        let strangers: Vec<String> = sqlx::query_scalar(include_str!("select_strangers.sql"))
            .bind(&self.schema)
            .fetch_all(session)
            .await
            .map_err(|error| self.failed(error))?;
        if strangers.is_empty() {
            return Ok(());
        }
        let message = format!(
            "the schema {} contains objects that Daymark did not create ({}); nothing was changed. Set `store.schema` to a schema for Daymark alone",
            self.schema,
            strangers.join(", ")
        );
        Err(self.fault(FaultClass::Other, message))
    }

    async fn applied(&self, session: &mut PgConnection) -> Result<Vec<Applied>, sqlx::Error> {
        let exists: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
            .fetch_one(&mut *session)
            .await?;
        if !exists {
            return Ok(Vec::new());
        }
        sqlx::query_as(SELECT_APPLIED).fetch_all(session).await
    }

    fn migration_failed(&self, error: MigrateError) -> StoreError {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => self.failed(error),
            other => self.fault(FaultClass::Other, other.to_string()),
        }
    }
}
