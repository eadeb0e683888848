//! Notifications and the attempts to deliver them.

use async_trait::async_trait;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{Postgres, QueryBuilder, Row};
use uuid::Uuid;

use super::{PostgresStore, text::storable};
use crate::store::{
    AfterAttempt, DeliveryAttempt, Notification, Notifications, StoreError,
    from_row::{delivery_attempt, notification},
    row,
    statements::{
        ADD_DELIVERY_ATTEMPT, AFTER_DELIVERY_ATTEMPT, COUNT_PENDING_NOTIFICATIONS, DELETE_NOTIFICATIONS,
        SELECT_NOTIFICATIONS,
    },
};

const TABLE: &str = "notifications";

const SELECT_ATTEMPTS: &str = "
    SELECT notification_id, number, attempted_at, duration_ms, is_delivered, answer FROM delivery_attempts
    WHERE tenant_id = $1 AND notification_id = ANY ($2)
    ORDER BY notification_id, number";

#[async_trait]
impl Notifications for PostgresStore {
    async fn due_notifications(&self, now: Timestamp, limit: i64) -> Result<Vec<Notification>, StoreError> {
        self.retry(|| async {
            let mut query = QueryBuilder::<Postgres>::new(SELECT_NOTIFICATIONS);
            query.push_bind(&self.tenant).push(" AND status = 'pending' AND next_attempt_at <= ");
            query.push_bind(row::to_micros(now).to_sqlx());
            query.push(" ORDER BY next_attempt_at, id LIMIT ").push_bind(limit);
            self.rows(TABLE, query.build(), notification).await
        })
        .await
    }

    async fn note_attempt(&self, attempt: &DeliveryAttempt, after: AfterAttempt) -> Result<(), StoreError> {
        let finished_at = after.next_attempt_at().is_none().then_some(attempt.attempted_at);
        self.retry(|| async {
            let mut transaction = self.pool().await?.begin().await.map_err(|error| self.failed(error))?;
            let add = sqlx::query(ADD_DELIVERY_ATTEMPT)
                .bind(&self.tenant)
                .bind(attempt.notification_id)
                .bind(attempt.number)
                .bind(row::to_micros(attempt.attempted_at).to_sqlx())
                .bind(attempt.duration_ms)
                .bind(attempt.is_delivered)
                .bind(storable(&attempt.answer));
            add.execute(&mut *transaction).await.map_err(|error| self.failed(error))?;
            let update = sqlx::query(AFTER_DELIVERY_ATTEMPT)
                .bind(&self.tenant)
                .bind(attempt.notification_id)
                .bind(after.status().name())
                .bind(after.next_attempt_at().map(|at| row::to_micros(at).to_sqlx()))
                .bind(finished_at.map(|at| row::to_micros(at).to_sqlx()));
            update.execute(&mut *transaction).await.map_err(|error| self.failed(error))?;
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
            let mut query = QueryBuilder::<Postgres>::new(SELECT_NOTIFICATIONS);
            query.push_bind(&self.tenant);
            if let Some(channel) = channel {
                query.push(" AND channel = ").push_bind(channel);
            }
            query.push(" ORDER BY created_at DESC, id LIMIT ").push_bind(limit);
            self.rows(TABLE, query.build(), notification).await
        })
        .await
    }

    async fn delivery_attempts(&self, notifications: &[Uuid]) -> Result<Vec<DeliveryAttempt>, StoreError> {
        self.retry(|| async {
            let query = sqlx::query(SELECT_ATTEMPTS).bind(&self.tenant).bind(notifications);
            self.rows("delivery_attempts", query, delivery_attempt).await
        })
        .await
    }

    async fn pending_notifications(&self) -> Result<i64, StoreError> {
        self.retry(|| async {
            let query = sqlx::query(COUNT_PENDING_NOTIFICATIONS).bind(&self.tenant);
            let row = query.fetch_one(self.pool().await?).await.map_err(|error| self.failed(error))?;
            row.try_get("pending").map_err(|error| self.failed(error))
        })
        .await
    }

    async fn delete_notifications(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.retry(|| async {
            let query =
                sqlx::query(DELETE_NOTIFICATIONS).bind(&self.tenant).bind(row::to_micros(before).to_sqlx());
            let done = query.execute(self.pool().await?).await.map_err(|error| self.failed(error))?;
            Ok(done.rows_affected())
        })
        .await
    }
}
