//! The outbox.

use async_trait::async_trait;
use sqlx::PgConnection;

use super::PostgresStore;
use crate::store::{Event, Events, StoreError, from_row::event, outbox::NewEvent, statements::SELECT_EVENTS};

/// A trigger numbers the events.
const INSERT: &str = "
    INSERT INTO events (tenant_id, kind, subject)
    SELECT $1, kind, subject FROM UNNEST($2::TEXT[], $3::JSONB[]) WITH ORDINALITY AS given (kind, subject, place)
    ORDER BY place";

#[async_trait]
impl Events for PostgresStore {
    async fn events(&self, after: i64, limit: i64) -> Result<Vec<Event>, StoreError> {
        self.retry(|| async {
            let query = sqlx::query(SELECT_EVENTS).bind(&self.tenant).bind(after).bind(limit);
            self.rows("events", query, event).await
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
