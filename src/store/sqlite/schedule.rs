//! Which instance leads, and pauses of the schedule.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{SqliteStore, text::text};
use crate::store::{
    Leader, LockName, Pause, ScheduleState, Schedules, StoreError,
    from_row::{pause, schedule_state},
    statements::{END_PAUSE, SELECT_PAUSES, WRITE_LEADER},
};

const SELECT: &str = "
    SELECT leaders.host, leaders.process_id, leaders.since, leaders.seen_at,
        pause.id, pause.paused_at, pause.paused_by, pause.reason, pause.until_at, pause.resumed_at, pause.resumed_by
    FROM (SELECT ?1 AS id) AS tenant
    LEFT JOIN leaders ON leaders.tenant_id = tenant.id
    LEFT JOIN schedule_pauses AS pause ON pause.tenant_id = tenant.id AND pause.id = (
        SELECT id FROM schedule_pauses WHERE tenant_id = ?1 ORDER BY paused_at DESC, id LIMIT 1
    )";

const ADD_PAUSE: &str = "
    INSERT INTO schedule_pauses (tenant_id, id, paused_at, paused_by, reason, until_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

const IS_THERE: &str = "SELECT EXISTS (SELECT 1 FROM schedule_pauses WHERE tenant_id = ?1 AND id = ?2)";

#[async_trait]
impl Schedules for SqliteStore {
    async fn schedule_state(&self) -> Result<ScheduleState, StoreError> {
        let is_led = self.is_locked(&LockName::Leader)?;
        self.retry(|| async {
            let query = sqlx::query(SELECT).bind(&self.tenant);
            let row = query.fetch_one(self.pool().await?).await.map_err(|error| self.failed(error))?;
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
                .bind(&leader.host)
                .bind(i64::from(leader.process_id))
                .bind(text(leader.since))
                .bind(text(leader.seen_at));
            query.execute(self.pool().await?).await.map(drop).map_err(|error| self.failed(error))
        })
        .await
    }

    async fn add_pause(&self, pause: &Pause) -> Result<(), StoreError> {
        self.retry(|| async {
            let mut transaction =
                self.pool().await?.begin_with("BEGIN IMMEDIATE").await.map_err(|error| self.failed(error))?;
            // A repeated call finds its own pause, and must not end it.
            let is_there: bool = sqlx::query_scalar(IS_THERE)
                .bind(&self.tenant)
                .bind(pause.id.to_string())
                .fetch_one(&mut *transaction)
                .await
                .map_err(|error| self.failed(error))?;
            if is_there {
                return Ok(());
            }
            let end =
                sqlx::query(END_PAUSE).bind(&self.tenant).bind(text(pause.paused_at)).bind(&pause.paused_by);
            end.execute(&mut *transaction).await.map_err(|error| self.failed(error))?;
            let add = sqlx::query(ADD_PAUSE)
                .bind(&self.tenant)
                .bind(pause.id.to_string())
                .bind(text(pause.paused_at))
                .bind(&pause.paused_by)
                .bind(&pause.reason)
                .bind(pause.until.map(text));
            add.execute(&mut *transaction).await.map_err(|error| self.failed(error))?;
            transaction.commit().await.map_err(|error| self.failed(error))
        })
        .await
    }

    async fn end_pause(&self, at: Timestamp, by: &str) -> Result<bool, StoreError> {
        self.retry(|| async {
            let query = sqlx::query(END_PAUSE).bind(&self.tenant).bind(text(at)).bind(by);
            let done = query.execute(self.pool().await?).await.map_err(|error| self.failed(error))?;
            Ok(done.rows_affected() > 0)
        })
        .await
    }
}
