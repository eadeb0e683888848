//! The outbox.

use async_trait::async_trait;
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow, types::Json};

use super::SqliteStore;
use crate::store::{Event, EventKind, Events, StoreError, outbox::NewEvent, row};

/// The transaction holds the write lock, so that ids are in the order of the commits.
const INSERT: &str = "
    INSERT INTO events (tenant_id, id, kind, subject)
    SELECT ?1, (SELECT coalesce(max(id), 0) FROM events WHERE tenant_id = ?1) + key + 1, value ->> 0, value -> 1
    FROM json_each(?2)";

const SELECT: &str = "
    SELECT id, kind, subject, created_at FROM events WHERE tenant_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3";

#[async_trait]
impl Events for SqliteStore {
    async fn events(&self, after: i64, limit: i64) -> Result<Vec<Event>, StoreError> {
        self.retry(|| async {
            let query = sqlx::query(SELECT).bind(&self.tenant).bind(after).bind(limit);
            let rows = query.fetch_all(self.pool().await?).await.map_err(|error| self.failed(error))?;
            Ok(row::readable(&self.location, "events", &rows, event))
        })
        .await
    }
}

impl SqliteStore {
    /// Writes the events in the transaction of the commit that made them true.
    pub(super) async fn write_events(
        &self,
        session: &mut SqliteConnection,
        events: &[NewEvent],
    ) -> Result<(), sqlx::Error> {
        if events.is_empty() {
            return Ok(());
        }
        let events: Vec<_> = events.iter().map(|event| (event.kind.name(), &event.subject)).collect();
        sqlx::query(INSERT).bind(&self.tenant).bind(Json(events)).execute(session).await.map(drop)
    }
}

fn event(columns: &SqliteRow) -> Result<Event, sqlx::Error> {
    Ok(Event {
        id: columns.try_get("id")?,
        kind: row::word(columns, "kind", EventKind::from_name)?,
        subject: row::object("subject", columns.try_get("subject")?)?,
        created_at: row::parsed(columns, "created_at")?,
    })
}
