//! Which instance leads, and pauses of the schedule.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::store::{
    Leader, Pause, ScheduleState, Schedules, StoreError,
    row::Columns,
    sql_store::{SqlRuns, SqlSession, SqlStore, read_rows, retry, write},
};

const WRITE_LEADER: &str = "
    INSERT INTO leaders (tenant_id, host, process_id, since, seen_at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (tenant_id) DO UPDATE
    SET host = excluded.host, process_id = excluded.process_id, since = excluded.since, seen_at = excluded.seen_at";

const SELECT_PAUSES: &str = "
    SELECT id, paused_at, paused_by, reason, until_at, resumed_at, resumed_by FROM schedule_pauses
    WHERE tenant_id = $1 ORDER BY paused_at DESC, id LIMIT $2";

/// Ends the pauses that hold at `$2`.
const END_PAUSE: &str = "
    UPDATE schedule_pauses SET resumed_at = $2, resumed_by = $3
    WHERE tenant_id = $1 AND resumed_at IS NULL AND (until_at IS NULL OR until_at > $2)";

#[async_trait]
impl<S: SqlRuns> Schedules for S {
    async fn schedule_state(&self) -> Result<ScheduleState, StoreError> {
        retry(self, || self.select_schedule()).await
    }

    async fn pauses(&self, limit: i64) -> Result<Vec<Pause>, StoreError> {
        read_rows(self, "schedule_pauses", &self.statement(SELECT_PAUSES).bind(limit), pause).await
    }

    async fn write_leader(&self, leader: &Leader) -> Result<(), StoreError> {
        let write_leader = self
            .statement(WRITE_LEADER)
            .bind(&leader.host)
            .bind(leader.process_id)
            .bind(leader.since)
            .bind(leader.seen_at);
        write(self, &write_leader).await.map(drop)
    }

    async fn add_pause(&self, pause: &Pause) -> Result<(), StoreError> {
        retry(self, || add_pause(self, pause)).await
    }

    async fn end_pause(&self, at: Timestamp, by: &str) -> Result<bool, StoreError> {
        Ok(write(self, &self.statement(END_PAUSE).bind(at).bind(by)).await? > 0)
    }
}

async fn add_pause<S: SqlStore>(store: &S, pause: &Pause) -> Result<(), StoreError> {
    // A repeated call finds its own pause, and must not end it.
    let others = format!("{END_PAUSE} AND id <> $4");
    let end_others = store.statement(others).bind(pause.paused_at).bind(&pause.paused_by).bind(pause.id);
    let add = store
        .statement(S::OWN.add_pause)
        .bind(pause.id)
        .bind(pause.paused_at)
        .bind(&pause.paused_by)
        .bind(&pause.reason)
        .bind(pause.until);
    let mut transaction = store.begin().await?;
    for statement in [end_others, add] {
        transaction.execute(&statement).await.map_err(|error| store.failed(error))?;
    }
    store.end(transaction).await
}

/// The only row of the schedule's state; `is_led` is read from the lock.
pub(in crate::store) fn schedule_state(
    row: &impl Columns,
    is_led: bool,
) -> Result<ScheduleState, sqlx::Error> {
    let leader = match row.optional_instant("since")? {
        None => None,
        Some(since) => Some(Leader {
            host: row.get("host")?,
            process_id: row.count("process_id")?,
            since,
            seen_at: row.instant("seen_at")?,
        }),
    };
    let last_pause = match row.optional_instant("paused_at")? {
        None => None,
        Some(_) => Some(pause(row)?),
    };
    Ok(ScheduleState { leader, is_led, last_pause })
}

fn pause(row: &impl Columns) -> Result<Pause, sqlx::Error> {
    Ok(Pause {
        id: row.uuid("id")?,
        paused_at: row.instant("paused_at")?,
        paused_by: row.get("paused_by")?,
        reason: row.get("reason")?,
        until: row.optional_instant("until_at")?,
        resumed_at: row.optional_instant("resumed_at")?,
        resumed_by: row.optional_text("resumed_by")?.map(str::to_owned),
    })
}
