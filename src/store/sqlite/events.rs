//! The outbox.

use async_trait::async_trait;
use sqlx::{SqliteConnection, types::Json};

use super::SqliteStore;
use crate::store::{Event, Events, StoreError, from_row::event, outbox::NewEvent, statements::SELECT_EVENTS};

/// The transaction holds the write lock, so that ids are in the order of the commits.
const INSERT: &str = "
    INSERT INTO events (tenant_id, id, kind, subject)
    SELECT ?1, (SELECT coalesce(max(id), 0) FROM events WHERE tenant_id = ?1) + key + 1, value ->> 0, value -> 1
    FROM json_each(?2)";

#[async_trait]
impl Events for SqliteStore {
    async fn events(&self, after: i64, limit: i64) -> Result<Vec<Event>, StoreError> {
        self.retry(|| async {
            let query = sqlx::query(SELECT_EVENTS).bind(&self.tenant).bind(after).bind(limit);
            self.rows("events", query, event).await
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
