//! The states of alert rules, and silences.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::notifications::add_notification;
use crate::store::{
    AlertState, Alerts, FiredAs, NewNotification, Silence, StoreError,
    row::{Columns, undecodable},
    sql_store::{SqlSession, SqlStore, read_rows, retry, write},
};

const SELECT_STATES: &str = "
    SELECT rule, state, since, started_at, summary, severity, labels, told, is_silenced, revision FROM alert_states
    WHERE tenant_id = $1 ORDER BY rule";

/// Changes the row of the revision before, or none.
const WRITE_STATE: &str = "
    INSERT INTO alert_states (tenant_id, rule, state, since, started_at, summary, severity, labels, told, is_silenced, revision)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (tenant_id, rule) DO UPDATE
    SET state = excluded.state, since = excluded.since, started_at = excluded.started_at, summary = excluded.summary,
        severity = excluded.severity, labels = excluded.labels, told = excluded.told, is_silenced = excluded.is_silenced,
        revision = excluded.revision
    WHERE alert_states.revision = excluded.revision - 1";

const DELETE_STATE: &str = "DELETE FROM alert_states WHERE tenant_id = $1 AND rule = $2 AND revision = $3";

/// Silences that were not ended early come first, the latest end before the others, so that a limit never leaves out one
/// that holds for one that is over.
const SELECT_SILENCES: &str = "
    SELECT id, rule, reason, created_at, created_by, ends_at, ended_at, ended_by FROM alert_silences
    WHERE tenant_id = $1 ORDER BY ended_at IS NOT NULL, ends_at DESC, created_at DESC, id LIMIT $2";

const ADD_SILENCE: &str = "
    INSERT INTO alert_silences (tenant_id, id, rule, reason, created_at, created_by, ends_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (tenant_id, id) DO NOTHING";

const END_SILENCE: &str = "
    UPDATE alert_silences SET ended_at = $3, ended_by = $4
    WHERE tenant_id = $1 AND id = $2 AND ended_at IS NULL AND ends_at > $3";

#[async_trait]
impl<S: SqlStore> Alerts for S {
    async fn alert_states(&self) -> Result<Vec<AlertState>, StoreError> {
        read_rows(self, "alert_states", &self.statement(SELECT_STATES), alert_state).await
    }

    async fn commit_alerts(
        &self,
        states: &[AlertState],
        notifications: &[NewNotification],
    ) -> Result<bool, StoreError> {
        retry(self, || commit_alerts(self, states, notifications)).await
    }

    async fn forget_alert(&self, state: &AlertState) -> Result<bool, StoreError> {
        let delete = self.statement(DELETE_STATE).bind(&state.rule).bind(state.revision);
        Ok(write(self, &delete).await? == 1)
    }

    async fn silences(&self, limit: i64) -> Result<Vec<Silence>, StoreError> {
        read_rows(self, "alert_silences", &self.statement(SELECT_SILENCES).bind(limit), silence).await
    }

    async fn add_silence(&self, silence: &Silence) -> Result<(), StoreError> {
        let add = self
            .statement(ADD_SILENCE)
            .bind(silence.id)
            .bind(silence.rule.as_deref())
            .bind(&silence.reason)
            .bind(silence.created_at)
            .bind(&silence.created_by)
            .bind(silence.ends_at);
        write(self, &add).await.map(drop)
    }

    async fn end_silence(&self, id: Uuid, at: Timestamp, by: &str) -> Result<bool, StoreError> {
        let end = self.statement(END_SILENCE).bind(id).bind(at).bind(by);
        Ok(write(self, &end).await? == 1)
    }
}

async fn commit_alerts<S: SqlStore>(
    store: &S,
    states: &[AlertState],
    notifications: &[NewNotification],
) -> Result<bool, StoreError> {
    let mut transaction = store.begin().await?;
    for state in states {
        let written = write_state(store, &mut transaction, state).await;
        if written.map_err(|error| store.failed(error))? == 0 {
            return Ok(false);
        }
    }
    for notification in notifications {
        let added = add_notification(store, &mut transaction, notification).await;
        added.map_err(|error| store.failed(error))?;
    }
    store.end(transaction).await?;
    Ok(true)
}

async fn write_state<S: SqlStore>(
    store: &S,
    session: &mut S::Session,
    state: &AlertState,
) -> Result<u64, sqlx::Error> {
    let write = store
        .statement(WRITE_STATE)
        .bind(&state.rule)
        .bind(state.status.name())
        .bind(state.since)
        .bind(state.started_at)
        .bind(&state.summary)
        .bind(state.fired_as.as_ref().map(|fired| fired.severity.as_str()))
        .bind(&labels(state))
        .bind(&told(state))
        .bind(state.is_silenced)
        .bind(state.revision);
    session.execute(&write).await
}

fn alert_state(row: &impl Columns) -> Result<AlertState, sqlx::Error> {
    Ok(AlertState {
        rule: row.get("rule")?,
        status: row.variant("state")?,
        since: row.instant("since")?,
        started_at: row.optional_instant("started_at")?,
        summary: row.get("summary")?,
        fired_as: fired_as(row)?,
        told: from_object("told", row.object("told")?)?,
        is_silenced: row.get("is_silenced")?,
        revision: row.get("revision")?,
    })
}

fn fired_as(row: &impl Columns) -> Result<Option<FiredAs>, sqlx::Error> {
    let Some(severity) = row.optional_text("severity")?.map(str::to_owned) else { return Ok(None) };
    Ok(Some(FiredAs { severity, labels: from_object("labels", row.object("labels")?)? }))
}

fn from_object<T: DeserializeOwned>(
    column: &'static str,
    object: Map<String, Value>,
) -> Result<T, sqlx::Error> {
    serde_json::from_value(Value::Object(object)).map_err(|error| undecodable(column, error))
}

/// The labels with which an alert fired, as they are stored.
fn labels(state: &AlertState) -> Map<String, Value> {
    let labels = state.fired_as.iter().flat_map(|fired| &fired.labels);
    labels.map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect()
}

/// The channels that were notified of an alert, as they are stored.
fn told(state: &AlertState) -> Map<String, Value> {
    state.told.iter().map(|(channel, at)| (channel.clone(), Value::from(at.to_string()))).collect()
}

fn silence(row: &impl Columns) -> Result<Silence, sqlx::Error> {
    Ok(Silence {
        id: row.uuid("id")?,
        rule: row.optional_text("rule")?.map(str::to_owned),
        reason: row.get("reason")?,
        created_at: row.instant("created_at")?,
        created_by: row.get("created_by")?,
        ends_at: row.instant("ends_at")?,
        ended_at: row.optional_instant("ended_at")?,
        ended_by: row.optional_text("ended_by")?.map(str::to_owned),
    })
}
