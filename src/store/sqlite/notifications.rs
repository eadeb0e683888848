//! Notifications and the attempts to deliver them.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, types::Json};
use uuid::Uuid;

use super::{SqliteStore, text::text};
use crate::store::{
    Behind, DeliveryAttempt, DeliveryOutcome, NewNotification, Notification, NotificationCounts,
    Notifications, StoreError,
    from_row::{delivery_attempt, notification, notification_counts},
    statements::{
        ADD_DELIVERY_ATTEMPT, AFTER_DELIVERY_ATTEMPT, COUNT_NOTIFICATIONS, DELETE_NOTIFICATIONS,
        DUE_CHANNELS, SELECT_NOTIFICATIONS, WAIT, WAIT_BEHIND,
    },
};

const TABLE: &str = "notifications";

const SELECT_ATTEMPTS: &str = "
    SELECT notification_id, number, attempted_at, duration_ms, is_delivered, answer FROM delivery_attempts
    WHERE tenant_id = $1 AND notification_id IN (SELECT value FROM json_each($2))
    ORDER BY notification_id, number";

#[async_trait]
impl Notifications for SqliteStore {
    async fn due_channels(&self, now: Timestamp, horizon: Timestamp) -> Result<Vec<String>, StoreError> {
        self.retry(|| async {
            let query =
                sqlx::query_scalar(DUE_CHANNELS).bind(&self.tenant).bind(text(now)).bind(text(horizon));
            query.fetch_all(self.pool().await?).await.map_err(|error| self.failed(error))
        })
        .await
    }

    async fn pending_notifications(
        &self,
        channel: &str,
        limit: i64,
    ) -> Result<Vec<Notification>, StoreError> {
        self.retry(|| async {
            let mut query = QueryBuilder::<Sqlite>::new(SELECT_NOTIFICATIONS);
            query.push_bind(&self.tenant).push(" AND status = 'pending' AND channel = ").push_bind(channel);
            query.push(" ORDER BY number, id LIMIT ").push_bind(limit);
            self.rows(TABLE, query.build(), notification).await
        })
        .await
    }

    async fn note_attempt(&self, outcome: &DeliveryOutcome) -> Result<(), StoreError> {
        self.retry(|| async {
            let mut transaction =
                self.pool().await?.begin_with("BEGIN IMMEDIATE").await.map_err(|error| self.failed(error))?;
            let noted = self.write_outcome(&mut transaction, outcome).await;
            noted.map_err(|error| self.failed(error))?;
            transaction.commit().await.map_err(|error| self.failed(error))
        })
        .await
    }

    async fn add_attempted(
        &self,
        notification: &NewNotification,
        outcome: &DeliveryOutcome,
    ) -> Result<(), StoreError> {
        self.retry(|| async {
            let mut transaction =
                self.pool().await?.begin_with("BEGIN IMMEDIATE").await.map_err(|error| self.failed(error))?;
            let added = self.add_notification(&mut transaction, notification).await;
            added.map_err(|error| self.failed(error))?;
            let noted = self.write_outcome(&mut transaction, outcome).await;
            noted.map_err(|error| self.failed(error))?;
            transaction.commit().await.map_err(|error| self.failed(error))
        })
        .await
    }

    async fn notifications(
        &self,
        channel: Option<&str>,
        limit: i64,
    ) -> Result<Vec<Notification>, StoreError> {
        self.retry(|| async {
            let mut query = QueryBuilder::<Sqlite>::new(SELECT_NOTIFICATIONS);
            query.push_bind(&self.tenant);
            if let Some(channel) = channel {
                query.push(" AND channel = ").push_bind(channel);
            }
            query.push(" ORDER BY number DESC, id LIMIT ").push_bind(limit);
            self.rows(TABLE, query.build(), notification).await
        })
        .await
    }

    async fn delivery_attempts(&self, notifications: &[Uuid]) -> Result<Vec<DeliveryAttempt>, StoreError> {
        self.retry(|| async {
            let query = sqlx::query(SELECT_ATTEMPTS).bind(&self.tenant).bind(Json(notifications));
            self.rows("delivery_attempts", query, delivery_attempt).await
        })
        .await
    }

    async fn notification_counts(&self) -> Result<NotificationCounts, StoreError> {
        self.retry(|| async {
            let query = sqlx::query(COUNT_NOTIFICATIONS).bind(&self.tenant);
            let row = query.fetch_one(self.pool().await?).await.map_err(|error| self.failed(error))?;
            notification_counts(&row).map_err(|error| self.failed(error))
        })
        .await
    }

    async fn delete_notifications(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.retry(|| async {
            let query = sqlx::query(DELETE_NOTIFICATIONS).bind(&self.tenant).bind(text(before));
            let done = query.execute(self.pool().await?).await.map_err(|error| self.failed(error))?;
            Ok(done.rows_affected())
        })
        .await
    }
}

impl SqliteStore {
    async fn write_outcome(
        &self,
        session: &mut SqliteConnection,
        DeliveryOutcome { attempt, after, behind }: &DeliveryOutcome,
    ) -> Result<(), sqlx::Error> {
        let finished_at = after.next_attempt_at().is_none().then_some(attempt.attempted_at);
        let next = after.next_attempt_at().map(text);
        let attempted_at = text(attempt.attempted_at);
        let add = sqlx::query(ADD_DELIVERY_ATTEMPT)
            .bind(&self.tenant)
            .bind(attempt.notification_id.to_string())
            .bind(attempt.number)
            .bind(&attempted_at)
            .bind(attempt.duration_ms)
            .bind(attempt.is_delivered)
            .bind(&attempt.answer);
        add.execute(&mut *session).await?;
        let update = sqlx::query(AFTER_DELIVERY_ATTEMPT)
            .bind(&self.tenant)
            .bind(attempt.notification_id.to_string())
            .bind(after.status().name())
            .bind(next.as_deref())
            .bind(finished_at.map(text));
        update.execute(&mut *session).await?;
        let Some(next) = next else { return Ok(()) };
        match behind {
            Behind::Channel => {
                let wait =
                    sqlx::query(WAIT_BEHIND).bind(&self.tenant).bind(attempt.notification_id.to_string());
                wait.bind(next).bind(attempted_at).execute(session).await?;
            }
            Behind::These(ids) => {
                for id in ids {
                    let wait = sqlx::query(WAIT).bind(&self.tenant).bind(id.to_string()).bind(&next);
                    wait.execute(&mut *session).await?;
                }
            }
        }
        Ok(())
    }
}
