//! The outbox.

use async_trait::async_trait;
use sqlx::{PgConnection, Row, postgres::PgRow};

use super::PostgresStore;
use crate::store::{Event, EventKind, Events, StoreError, outbox::NewEvent, row};

/// Held until the transaction ends, so that events become visible in the order of their ids.
const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('daymark:' || current_schema() || ':' || $1 || ':events', 0))";

const INSERT: &str = "
    INSERT INTO events (tenant_id, id, kind, subject)
    SELECT $1, (SELECT coalesce(max(id), 0) FROM events WHERE tenant_id = $1) + place, kind, subject
    FROM UNNEST($2::TEXT[], $3::JSONB[]) WITH ORDINALITY AS given (kind, subject, place)";

const SELECT: &str = "
    SELECT id, kind, subject, created_at FROM events WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3";

#[async_trait]
impl Events for PostgresStore {
    async fn events(&self, after: i64, limit: i64) -> Result<Vec<Event>, StoreError> {
        self.retry(|| async {
            let query = sqlx::query(SELECT).bind(&self.tenant).bind(after).bind(limit);
            let rows = query.fetch_all(self.pool().await?).await.map_err(|error| self.failed(error))?;
            Ok(row::readable(&self.location, "events", &rows, event))
        })
        .await
    }
}

impl PostgresStore {
    /// Writes the events in the transaction of the commit that made them true, as its last statement but for COMMIT.
    pub(super) async fn write_events(
        &self,
        session: &mut PgConnection,
        events: &[NewEvent],
    ) -> Result<(), sqlx::Error> {
        if events.is_empty() {
            return Ok(());
        }
        sqlx::query(LOCK).bind(&self.tenant).execute(&mut *session).await?;
        sqlx::query(INSERT)
            .bind(&self.tenant)
            .bind(events.iter().map(|event| event.kind.name()).collect::<Vec<_>>())
            .bind(events.iter().map(|event| &event.subject).collect::<Vec<_>>())
            .execute(session)
            .await
            .map(drop)
    }
}

fn event(columns: &PgRow) -> Result<Event, sqlx::Error> {
    let created_at: jiff_sqlx::Timestamp = columns.try_get("created_at")?;
    Ok(Event {
        id: columns.try_get("id")?,
        kind: row::word(columns, "kind", EventKind::from_name)?,
        subject: row::object("subject", columns.try_get("subject")?)?,
        created_at: created_at.to_jiff(),
    })
}
