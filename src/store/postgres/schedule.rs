//! Which instance leads, and pauses of the schedule.

use async_trait::async_trait;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::Row;

use super::{PostgresStore, text::storable};
use crate::store::{
    Leader, LockName, Pause, ScheduleState, Schedules, StoreError,
    from_row::{pause, schedule_state},
    row,
    statements::{END_PAUSE, SELECT_PAUSES, WRITE_LEADER},
};

const ADD_PAUSE: &str = "
    WITH ended AS (
        UPDATE schedule_pauses SET resumed_at = $3, resumed_by = $4
        WHERE tenant_id = $1 AND id <> $2 AND resumed_at IS NULL AND (until_at IS NULL OR until_at > $3)
    )
    INSERT INTO schedule_pauses (tenant_id, id, paused_at, paused_by, reason, until_at) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (tenant_id, id) DO NOTHING";

#[async_trait]
impl Schedules for PostgresStore {
    async fn schedule_state(&self) -> Result<ScheduleState, StoreError> {
        self.retry(|| async {
            let query = sqlx::query(include_str!("select_schedule.sql"))
                .bind(&self.tenant)
                .bind(LockName::Leader.to_string());
            let row = query.fetch_one(self.pool().await?).await.map_err(|error| self.failed(error))?;
            let is_led = row.try_get("is_led").map_err(|error| self.failed(error))?;
            schedule_state(&row, is_led).map_err(|error| self.failed(error))
        })
        .await
    }

    async fn pauses(&self, limit: i64) -> Result<Vec<Pause>, StoreError> {
        self.retry(|| async {
            let query = sqlx::query(SELECT_PAUSES).bind(&self.tenant).bind(limit);
            self.rows("schedule_pauses", query, pause).await
        })
        .await
    }

    async fn write_leader(&self, leader: &Leader) -> Result<(), StoreError> {
        self.retry(|| async {
            let query = sqlx::query(WRITE_LEADER)
                .bind(&self.tenant)
                .bind(storable(&leader.host))
                .bind(i64::from(leader.process_id))
                .bind(row::to_micros(leader.since).to_sqlx())
                .bind(row::to_micros(leader.seen_at).to_sqlx());
            query.execute(self.pool().await?).await.map(drop).map_err(|error| self.failed(error))
        })
        .await
    }

    async fn add_pause(&self, pause: &Pause) -> Result<(), StoreError> {
        self.retry(|| async {
            let query = sqlx::query(ADD_PAUSE)
                .bind(&self.tenant)
                .bind(pause.id)
                .bind(row::to_micros(pause.paused_at).to_sqlx())
                .bind(storable(&pause.paused_by))
                .bind(storable(&pause.reason))
                .bind(pause.until.map(|until| row::to_micros(until).to_sqlx()));
            query.execute(self.pool().await?).await.map(drop).map_err(|error| self.failed(error))
        })
        .await
    }

    async fn end_pause(&self, at: Timestamp, by: &str) -> Result<bool, StoreError> {
        self.retry(|| async {
            let query = sqlx::query(END_PAUSE)
                .bind(&self.tenant)
                .bind(row::to_micros(at).to_sqlx())
                .bind(storable(by));
            let done = query.execute(self.pool().await?).await.map_err(|error| self.failed(error))?;
            Ok(done.rows_affected() > 0)
        })
        .await
    }
}
