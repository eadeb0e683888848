//! The outbox.

use async_trait::async_trait;

use crate::store::{
    Event, Events, StoreError,
    row::Columns,
    sql_store::{SqlStore, read_rows},
};

const SELECT: &str = "
    SELECT id, kind, subject, created_at FROM events WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3";

#[async_trait]
impl<S: SqlStore> Events for S {
    async fn events(&self, after: i64, limit: i64) -> Result<Vec<Event>, StoreError> {
        read_rows(self, "events", &self.statement(SELECT).bind(after).bind(limit), event).await
    }
}

fn event(row: &impl Columns) -> Result<Event, sqlx::Error> {
    Ok(Event {
        id: row.get("id")?,
        kind: row.variant("kind")?,
        subject: row.object("subject")?,
        created_at: row.instant("created_at")?,
    })
}
