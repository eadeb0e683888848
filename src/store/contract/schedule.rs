//! The state of the schedule that all instances share: which of them leads, and whether collecting is paused.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::store::StoreError;

/// The instance that leads the schedule, with its last heartbeat. The lock
/// [`LockName::Leader`](super::LockName::Leader) decides whether it is alive, not this row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leader {
    /// The machine, at most 1,000 characters.
    pub host: String,
    pub process_id: u32,
    /// When this instance became the leader.
    pub since: Timestamp,
    /// Its last heartbeat.
    pub seen_at: Timestamp,
}

/// A pause of the schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    pub id: Uuid,
    pub paused_at: Timestamp,
    /// Who paused it, as in [`super::NewRun`].
    pub paused_by: String,
    /// 1 to 1,000 characters.
    pub reason: String,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    /// When it was ended by hand.
    pub resumed_at: Option<Timestamp>,
    pub resumed_by: Option<String>,
}

impl Pause {
    /// Whether it holds at `now`.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.resumed_at.is_none() && self.until.is_none_or(|until| now < until)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScheduleState {
    /// The instance that led last.
    pub leader: Option<Leader>,
    /// Whether some process holds the leader's lock.
    pub is_led: bool,
    /// The newest pause, whether it has ended or not.
    pub last_pause: Option<Pause>,
}

/// How long a leader, which writes a heartbeat every minute, may write none before it is reported as hanging. A statement without an answer takes
/// it five minutes at most.
const SILENT_AFTER: SignedDuration = SignedDuration::from_mins(6);

impl ScheduleState {
    /// Whether a process holds the leader's lock and writes no heartbeats.
    pub fn is_silent(&self, now: Timestamp) -> bool {
        let has_stopped = |leader: &Leader| now.duration_since(leader.seen_at) > SILENT_AFTER;
        self.is_led && self.leader.as_ref().is_some_and(has_stopped)
    }

    /// The pause that holds at `now`.
    pub fn pause(&self, now: Timestamp) -> Option<&Pause> {
        self.last_pause.as_ref().filter(|pause| pause.is_active(now))
    }
}

#[async_trait]
pub trait Schedules: Send + Sync {
    async fn schedule_state(&self) -> Result<ScheduleState, StoreError>;

    /// The newest `limit` pauses, newest first.
    async fn pauses(&self, limit: i64) -> Result<Vec<Pause>, StoreError>;

    /// Writes the leader's heartbeat. Only the holder of the leader's lock may call it.
    async fn write_leader(&self, leader: &Leader) -> Result<(), StoreError>;

    /// Adds a pause. One that still holds is ended at the new one's start, by its author.
    async fn add_pause(&self, pause: &Pause) -> Result<(), StoreError>;

    /// Ends the pauses that hold. `false` when none did.
    async fn end_pause(&self, at: Timestamp, by: &str) -> Result<bool, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_without_heartbeats_is_silent_while_it_holds_the_lock() {
        let seen_at: Timestamp = "2025-01-02T00:00:00Z".parse().unwrap();
        let leader = Leader { host: "a".to_owned(), process_id: 1, since: seen_at, seen_at };
        let state = ScheduleState { leader: Some(leader), is_led: true, last_pause: None };
        let after = |minutes| seen_at + SignedDuration::from_mins(minutes);
        assert!(!state.is_silent(after(5)));
        assert!(state.is_silent(after(7)));
        assert!(!ScheduleState { is_led: false, ..state }.is_silent(after(7)), "it has ended");
    }
}
