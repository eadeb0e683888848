//! The states of alert rules, and silences.

use async_trait::async_trait;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    PostgresStore,
    text::{storable, storable_object},
};
use crate::store::{
    AlertState, Alerts, NewNotification, Silence, StoreError,
    from_row::{alert_state, silence},
    row::{self, labels, told},
    statements::{
        ADD_NOTIFICATION, ADD_SILENCE, END_SILENCE, SELECT_ALERT_STATES, SELECT_SILENCES, WRITE_ALERT_STATE,
    },
};

#[async_trait]
impl Alerts for PostgresStore {
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
            let mut transaction = self.pool().await?.begin().await.map_err(|error| self.failed(error))?;
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
                .bind(silence.id)
                .bind(&silence.rule)
                .bind(storable(&silence.reason))
                .bind(row::to_micros(silence.created_at).to_sqlx())
                .bind(storable(&silence.created_by))
                .bind(row::to_micros(silence.ends_at).to_sqlx());
            query.execute(self.pool().await?).await.map(drop).map_err(|error| self.failed(error))
        })
        .await
    }

    async fn end_silence(&self, id: Uuid, at: Timestamp, by: &str) -> Result<bool, StoreError> {
        self.retry(|| async {
            let query = sqlx::query(END_SILENCE)
                .bind(&self.tenant)
                .bind(id)
                .bind(row::to_micros(at).to_sqlx())
                .bind(storable(by));
            let done = query.execute(self.pool().await?).await.map_err(|error| self.failed(error))?;
            Ok(done.rows_affected() == 1)
        })
        .await
    }
}

impl PostgresStore {
    async fn write_alert_state(
        &self,
        session: &mut PgConnection,
        state: &AlertState,
    ) -> Result<bool, sqlx::Error> {
        let query = sqlx::query(WRITE_ALERT_STATE)
            .bind(&self.tenant)
            .bind(&state.rule)
            .bind(state.status.name())
            .bind(row::to_micros(state.since).to_sqlx())
            .bind(state.started_at.map(|at| row::to_micros(at).to_sqlx()))
            .bind(storable(&state.summary))
            .bind(state.fired_as.as_ref().map(|fired| fired.severity.as_str()))
            .bind(storable_object(&labels(state)))
            .bind(storable_object(&told(state)))
            .bind(state.is_silenced)
            .bind(state.revision);
        Ok(query.execute(session).await?.rows_affected() == 1)
    }

    pub(super) async fn add_notification(
        &self,
        session: &mut PgConnection,
        notification: &NewNotification,
    ) -> Result<(), sqlx::Error> {
        let query = sqlx::query(ADD_NOTIFICATION)
            .bind(&self.tenant)
            .bind(notification.id)
            .bind(&notification.channel)
            .bind(notification.kind.name())
            .bind(storable_object(&notification.content))
            .bind(row::to_micros(notification.created_at).to_sqlx());
        query.execute(session).await.map(drop)
    }
}
