//! The outbox.

use async_trait::async_trait;
use sqlx::{PgConnection, Row, postgres::PgRow};

use super::PostgresStore;
use crate::store::{Event, EventKind, Events, StoreError, outbox::NewEvent, row};

/// A trigger numbers the events.
const INSERT: &str = "
    INSERT INTO events (tenant_id, kind, subject)
    SELECT $1, kind, subject FROM UNNEST($2::TEXT[], $3::JSONB[]) WITH ORDINALITY AS given (kind, subject, place)
    ORDER BY place";

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
    /// Writes the events in the transaction of the commit that made them true, as its last statement but for COMMIT: a trigger
    /// takes a lock that lets the commits of a tenant's events pass one after another.
    pub(super) async fn write_events(
        &self,
        session: &mut PgConnection,
        events: &[NewEvent],
    ) -> Result<(), sqlx::Error> {
        if events.is_empty() {
            return Ok(());
        }
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
