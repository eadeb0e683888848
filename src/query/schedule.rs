//! The schedule: the next run, which instance leads, and whether collecting is paused.

use jiff::{Timestamp, civil::Date};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::QueryError;
use crate::{
    collect::{Context, next_collection},
    store::{Leader, Pause, ScheduleState},
};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ScheduleResponse {
    /// The next collection: of the next day, or of the last due day once more if a collection of it has left records missing and it is
    /// tried again before; null while the schedule is paused, and when the cron expression has no further time.
    pub next_run: Option<NextRun>,
    /// The cron expression with its time zone; null: each day is collected as soon as it has settled.
    pub cron: Option<String>,
    /// The instance that collects, or the last one that did; null: none ever has.
    pub leader: Option<LeaderEntry>,
    /// The pause that is in force.
    pub pause: Option<PauseEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct NextRun {
    #[schema(value_type = String, format = Date)]
    pub date: Date,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LeaderEntry {
    pub host: String,
    pub process_id: u32,
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Its last heartbeat; it writes one every minute.
    #[schema(value_type = String, format = DateTime)]
    pub seen_at: Timestamp,
    /// Whether a process holds the leader's lock. While no process holds it, nothing is collected on schedule.
    pub is_alive: bool,
    /// Whether a process holds the lock and has written no heartbeat for 6 minutes: it hangs, and keeps the others from taking over.
    pub is_silent: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PauseEntry {
    #[schema(value_type = String, format = DateTime)]
    pub paused_at: Timestamp,
    /// Who paused it: `cli:<system user>`, `key:<id>` or `user:<sub>`.
    pub paused_by: String,
    pub reason: String,
    /// The time at which it ends; null if it lasts until the schedule is resumed.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
}

/// # Errors
/// When the store fails.
pub async fn schedule(context: &Context) -> Result<ScheduleResponse, QueryError> {
    let state = context.tenant.store.schedule_state().await?;
    let next = match state.pause(context.now()) {
        Some(_) => None,
        None => next_collection(context).await?,
    };
    Ok(response(context, state, next))
}

fn response(context: &Context, state: ScheduleState, next: Option<(Date, Timestamp)>) -> ScheduleResponse {
    let now = context.now();
    let pause = state.pause(now).cloned().map(PauseEntry::from);
    let is_silent = state.is_silent(now);
    let entry = |leader: Leader| LeaderEntry {
        host: leader.host,
        process_id: leader.process_id,
        since: leader.since,
        seen_at: leader.seen_at,
        is_alive: state.is_led,
        is_silent,
    };
    ScheduleResponse {
        next_run: next.map(|(date, at)| NextRun { date, at }),
        cron: context.tenant.cron.as_ref().map(ToString::to_string),
        leader: state.leader.map(entry),
        pause,
    }
}

impl From<Pause> for PauseEntry {
    fn from(pause: Pause) -> Self {
        let Pause { paused_at, paused_by, reason, until, .. } = pause;
        Self { paused_at, paused_by, reason, until }
    }
}
