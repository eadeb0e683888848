//! The states of alert rules, and silences.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{SqliteConnection, types::Json};
use uuid::Uuid;

use super::{SqliteStore, text::text};
use crate::store::{
    AlertState, Alerts, NewNotification, Silence, StoreError,
    from_row::{alert_state, silence},
    row::{labels, told},
    statements::{
        ADD_NOTIFICATION, ADD_SILENCE, END_SILENCE, SELECT_ALERT_STATES, SELECT_SILENCES, WRITE_ALERT_STATE,
    },
};

#[async_trait]
impl Alerts for SqliteStore {
    async fn alert_states(&self) -> Result<Vec<AlertState>, StoreError> {
        self.retry(|| async {
            let query = sqlx::query(SELECT_ALERT_STATES).bind(&self.tenant);
            self.rows("alert_states", query, alert_state).await
        })
        .await
    }

    async fn commit_alerts(
        &self,
        states: &[AlertState],
        notifications: &[NewNotification],
    ) -> Result<bool, StoreError> {
        self.retry(|| async {
            let mut transaction =
                self.pool().await?.begin_with("BEGIN IMMEDIATE").await.map_err(|error| self.failed(error))?;
            for state in states {
                let written = self.write_alert_state(&mut transaction, state).await;
                if !written.map_err(|error| self.failed(error))? {
                    return Ok(false);
                }
            }
            for notification in notifications {
                self.add_notification(&mut transaction, notification)
                    .await
                    .map_err(|error| self.failed(error))?;
            }
            transaction.commit().await.map_err(|error| self.failed(error))?;
            Ok(true)
        })
        .await
    }

    async fn silences(&self, limit: i64) -> Result<Vec<Silence>, StoreError> {
        self.retry(|| async {
            let query = sqlx::query(SELECT_SILENCES).bind(&self.tenant).bind(limit);
            self.rows("alert_silences", query, silence).await
        })
        .await
    }

    async fn add_silence(&self, silence: &Silence) -> Result<(), StoreError> {
        self.retry(|| async {
            let query = sqlx::query(ADD_SILENCE)
                .bind(&self.tenant)
                .bind(silence.id.to_string())
                .bind(&silence.rule)
                .bind(&silence.reason)
                .bind(text(silence.created_at))
                .bind(&silence.created_by)
                .bind(text(silence.ends_at));
            query.execute(self.pool().await?).await.map(drop).map_err(|error| self.failed(error))
        })
        .await
    }

    async fn end_silence(&self, id: Uuid, at: Timestamp, by: &str) -> Result<bool, StoreError> {
        self.retry(|| async {
            let query =
                sqlx::query(END_SILENCE).bind(&self.tenant).bind(id.to_string()).bind(text(at)).bind(by);
            let done = query.execute(self.pool().await?).await.map_err(|error| self.failed(error))?;
            Ok(done.rows_affected() == 1)
        })
        .await
    }
}

impl SqliteStore {
    async fn write_alert_state(
        &self,
        session: &mut SqliteConnection,
        state: &AlertState,
    ) -> Result<bool, sqlx::Error> {
        let query = sqlx::query(WRITE_ALERT_STATE)
            .bind(&self.tenant)
            .bind(&state.rule)
            .bind(state.status.name())
            .bind(text(state.since))
            .bind(state.started_at.map(text))
            .bind(&state.summary)
            .bind(state.fired_as.as_ref().map(|fired| fired.severity.as_str()))
            .bind(Json(labels(state)))
            .bind(Json(told(state)))
            .bind(state.is_silenced)
            .bind(state.revision);
        Ok(query.execute(session).await?.rows_affected() == 1)
    }

    pub(super) async fn add_notification(
        &self,
        session: &mut SqliteConnection,
        notification: &NewNotification,
    ) -> Result<(), sqlx::Error> {
        let query = sqlx::query(ADD_NOTIFICATION)
            .bind(&self.tenant)
            .bind(notification.id.to_string())
            .bind(&notification.channel)
            .bind(notification.kind.name())
            .bind(Json(&notification.content))
            .bind(text(notification.created_at));
        query.execute(session).await.map(drop)
    }
}
