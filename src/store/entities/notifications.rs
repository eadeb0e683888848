//! Notifications and the attempts to deliver them.

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use crate::store::{
    Behind, DeliveryAttempt, DeliveryOutcome, NewNotification, Notification, NotificationCounts,
    Notifications, StoreError,
    row::Columns,
    sql_store::{SqlSession, SqlStore, read_rows, retry, write},
    statement::Statement,
};

const TABLE: &str = "notifications";

const SELECT: &str = "
    SELECT id, channel, kind, content, created_at, status, next_attempt_at, finished_at, (
        SELECT count(*) FROM delivery_attempts
        WHERE delivery_attempts.tenant_id = notifications.tenant_id AND notification_id = notifications.id
    ) AS attempts
    FROM notifications WHERE tenant_id = $1";

const SELECT_ATTEMPTS: &str = "
    SELECT notification_id, number, attempted_at, duration_ms, is_delivered, answer FROM delivery_attempts
    WHERE tenant_id = $1 AND notification_id IN (";

/// The number of notifications whose attempts one statement selects. SQLite takes at most 32,766 arguments.
const BATCH: usize = 1000;

/// An attempt whose number exists was inserted by an earlier attempt at this statement whose answer was lost.
const ADD_ATTEMPT: &str = "
    INSERT INTO delivery_attempts (tenant_id, notification_id, number, attempted_at, duration_ms, is_delivered, answer)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (tenant_id, notification_id, number) DO NOTHING";

const AFTER_ATTEMPT: &str = "
    UPDATE notifications SET status = $3, next_attempt_at = $4, finished_at = $5
    WHERE tenant_id = $1 AND id = $2 AND status = 'pending'";

const WAIT: &str = "
    UPDATE notifications SET next_attempt_at = $3
    WHERE tenant_id = $1 AND id = $2 AND status = 'pending' AND next_attempt_at < $3";

/// Those behind a notification of the channel that is tried again. A later attempt of their own stays.
const WAIT_BEHIND: &str = "
    UPDATE notifications SET next_attempt_at = $3
    WHERE tenant_id = $1 AND status = 'pending' AND next_attempt_at < $3 AND created_at <= $4
      AND channel = (SELECT channel FROM notifications WHERE tenant_id = $1 AND id = $2)
      AND number >= (SELECT number FROM notifications WHERE tenant_id = $1 AND id = $2)";

const DUE_CHANNELS: &str = "
    SELECT DISTINCT channel FROM notifications
    WHERE tenant_id = $1 AND status = 'pending' AND (next_attempt_at <= $2 OR next_attempt_at > $3) ORDER BY channel";

const COUNT: &str = "
    SELECT count(CASE WHEN status = 'pending' THEN 1 END) AS pending,
        count(CASE WHEN status = 'delivered' THEN 1 END) AS delivered,
        count(CASE WHEN status = 'given_up' THEN 1 END) AS given_up,
        min(CASE WHEN status = 'pending' THEN created_at END) AS oldest_pending_at
    FROM notifications WHERE tenant_id = $1 AND kind <> 'test'";

/// Notifications about one rule are committed one after the other, because each commit changes the rule's state; so their numbers
/// are in the order of the commits. Others may have the same number.
const ADD: &str = "
    INSERT INTO notifications (tenant_id, id, number, channel, kind, content, created_at, next_attempt_at)
    VALUES ($1, $2, (SELECT coalesce(max(number), 0) + 1 FROM notifications WHERE tenant_id = $1), $3, $4, $5, $6, $6)
    ON CONFLICT (tenant_id, id) DO NOTHING";

const DELETE: &str = "DELETE FROM notifications WHERE tenant_id = $1 AND finished_at < $2";

#[async_trait]
impl<S: SqlStore> Notifications for S {
    async fn due_channels(&self, now: Timestamp, horizon: Timestamp) -> Result<Vec<String>, StoreError> {
        let select = self.statement(DUE_CHANNELS).bind(now).bind(horizon);
        read_rows(self, TABLE, &select, |row| row.get("channel")).await
    }

    async fn pending_notifications(
        &self,
        channel: &str,
        limit: i64,
    ) -> Result<Vec<Notification>, StoreError> {
        let mut select = self.statement(SELECT);
        select.push(" AND status = 'pending' AND channel = ").push_bind(channel);
        select.push(" ORDER BY number, id LIMIT ").push_bind(limit);
        read_rows(self, TABLE, &select, notification).await
    }

    async fn record_attempt(&self, outcome: &DeliveryOutcome) -> Result<(), StoreError> {
        retry(self, || write_attempt(self, None, outcome)).await
    }

    async fn add_attempted(
        &self,
        notification: &NewNotification,
        outcome: &DeliveryOutcome,
    ) -> Result<(), StoreError> {
        retry(self, || write_attempt(self, Some(notification), outcome)).await
    }

    async fn notifications(
        &self,
        channel: Option<&str>,
        limit: i64,
    ) -> Result<Vec<Notification>, StoreError> {
        let mut select = self.statement(SELECT);
        if let Some(channel) = channel {
            select.push(" AND channel = ").push_bind(channel);
        }
        select.push(" ORDER BY number DESC, id LIMIT ").push_bind(limit);
        read_rows(self, TABLE, &select, notification).await
    }

    async fn delivery_attempts(&self, notifications: &[Uuid]) -> Result<Vec<DeliveryAttempt>, StoreError> {
        let mut attempts = Vec::new();
        for batch in notifications.chunks(BATCH) {
            let mut select = self.statement(SELECT_ATTEMPTS);
            for (index, id) in batch.iter().enumerate() {
                select.push(if index == 0 { "" } else { ", " }).push_bind(*id);
            }
            select.push(") ORDER BY notification_id, number");
            attempts.extend(read_rows(self, "delivery_attempts", &select, delivery_attempt).await?);
        }
        Ok(attempts)
    }

    async fn notification_counts(&self) -> Result<NotificationCounts, StoreError> {
        let counts = read_rows(self, TABLE, &self.statement(COUNT), notification_counts).await?;
        Ok(counts.into_iter().next().unwrap_or_default())
    }

    async fn delete_notifications(&self, before: Timestamp) -> Result<u64, StoreError> {
        write(self, &self.statement(DELETE).bind(before)).await
    }
}

pub(super) async fn add_notification<S: SqlStore>(
    store: &S,
    session: &mut S::Session,
    notification: &NewNotification,
) -> Result<u64, sqlx::Error> {
    let add = store
        .statement(ADD)
        .bind(notification.id)
        .bind(&notification.channel)
        .bind(notification.kind.name())
        .bind(&notification.content)
        .bind(notification.created_at);
    session.execute(&add).await
}

/// Writes an attempt and what follows from it, after its notification if that is new.
async fn write_attempt<S: SqlStore>(
    store: &S,
    new: Option<&NewNotification>,
    outcome: &DeliveryOutcome,
) -> Result<(), StoreError> {
    let mut transaction = store.begin().await?;
    if let Some(notification) = new {
        let added = add_notification(store, &mut transaction, notification).await;
        added.map_err(|error| store.failed(error))?;
    }
    for statement in outcome_statements(store, outcome) {
        transaction.execute(&statement).await.map_err(|error| store.failed(error))?;
    }
    store.end(transaction).await
}

fn outcome_statements<'a, S: SqlStore>(
    store: &'a S,
    DeliveryOutcome { attempt, after, behind }: &'a DeliveryOutcome,
) -> Vec<Statement<'a>> {
    let next = after.next_attempt_at();
    let finished_at = next.is_none().then_some(attempt.attempted_at);
    let add = store
        .statement(ADD_ATTEMPT)
        .bind(attempt.notification_id)
        .bind(attempt.number)
        .bind(attempt.attempted_at)
        .bind(attempt.duration_ms)
        .bind(attempt.is_delivered)
        .bind(&attempt.answer);
    let update = store
        .statement(AFTER_ATTEMPT)
        .bind(attempt.notification_id)
        .bind(after.status().name())
        .bind(next)
        .bind(finished_at);
    let mut statements = vec![add, update];
    let Some(next) = next else { return statements };
    match behind {
        Behind::Channel => {
            let wait = store.statement(WAIT_BEHIND).bind(attempt.notification_id);
            statements.push(wait.bind(next).bind(attempt.attempted_at));
        }
        Behind::These(ids) => {
            statements.extend(ids.iter().map(|id| store.statement(WAIT).bind(*id).bind(next)));
        }
    }
    statements
}

fn notification_counts(row: &impl Columns) -> Result<NotificationCounts, sqlx::Error> {
    Ok(NotificationCounts {
        pending: row.get("pending")?,
        delivered: row.get("delivered")?,
        given_up: row.get("given_up")?,
        oldest_pending_at: row.optional_instant("oldest_pending_at")?,
    })
}

fn notification(row: &impl Columns) -> Result<Notification, sqlx::Error> {
    Ok(Notification {
        id: row.uuid("id")?,
        channel: row.get("channel")?,
        kind: row.variant("kind")?,
        content: row.object("content")?,
        created_at: row.instant("created_at")?,
        status: row.variant("status")?,
        next_attempt_at: row.optional_instant("next_attempt_at")?,
        finished_at: row.optional_instant("finished_at")?,
        attempts: row.get("attempts")?,
    })
}

fn delivery_attempt(row: &impl Columns) -> Result<DeliveryAttempt, sqlx::Error> {
    Ok(DeliveryAttempt {
        notification_id: row.uuid("notification_id")?,
        number: row.get("number")?,
        attempted_at: row.instant("attempted_at")?,
        duration_ms: row.get("duration_ms")?,
        is_delivered: row.get("is_delivered")?,
        answer: row.get("answer")?,
    })
}
