//! The time of the next attempt at a task. The jobs in the store are the only memory of earlier attempts, so that a restarted process or another
//! leader knows them as well.

use jiff::{SignedDuration, Timestamp};

use crate::store::{Job, JobStatus};

/// The pause after a failed attempt, which recorded nothing: a database was away, or everything failed. It doubles with each
/// further one, up to [`MAX_FAILED_PAUSE`].
const FAILED_PAUSE: SignedDuration = SignedDuration::from_mins(1);
const MAX_FAILED_PAUSE: SignedDuration = SignedDuration::from_hours(1);
/// The pause after an attempt after which something is still missing, because of its data or its definition. It doubles
/// with each further one, up to [`MAX_INCOMPLETE_PAUSE`].
const INCOMPLETE_PAUSE: SignedDuration = SignedDuration::from_mins(50);
const MAX_INCOMPLETE_PAUSE: SignedDuration = SignedDuration::from_hours(24);
/// The pause after an attempt that found another process doing the same.
const BUSY_PAUSE: SignedDuration = SignedDuration::from_mins(1);

/// How long before a day can no longer be observed it is tried once more.
const LAST_CHANCE: SignedDuration = SignedDuration::from_mins(15);
/// The newest jobs among which earlier attempts are found.
pub const MAX_ATTEMPTS: i64 = 200;

/// The end of an attempt at a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptEnd {
    pub status: JobStatus,
    pub ended_at: Timestamp,
}

impl AttemptEnd {
    /// `None` for a job that has not ended.
    pub fn of(job: &Job) -> Option<Self> {
        Some(Self { status: job.status, ended_at: job.finished_at? })
    }
}

/// The earliest time of the next attempt at a task, from the `attempts` at it, newest first. Attempts before `changed_at`, the last change
/// of one of its definitions, do not count. Neither do those after `now`, which were made while the clock was ahead: their pauses would
/// last until the time that it showed then. `None`: at once.
pub fn next_attempt(attempts: &[AttemptEnd], changed_at: Timestamp, now: Timestamp) -> Option<Timestamp> {
    // A change with a time in the future was made while the clock was wrong, so attempts before it still count.
    let is_after_change = |ended_at| changed_at > now || changed_at <= ended_at;
    let is_counted = |attempt: &&AttemptEnd| attempt.ended_at <= now && is_after_change(attempt.ended_at);
    let ended: Vec<_> = attempts.iter().filter(is_counted).collect();
    let last = ended.first()?;
    let is_alike = |attempt: &&&AttemptEnd| is_incomplete(attempt.status) == is_incomplete(last.status);
    let count = ended.iter().take_while(is_alike).count();
    let pause = match last.status {
        JobStatus::Busy => BUSY_PAUSE,
        // The process was stopped or died, which does not mean that the task fails, unless it happens repeatedly.
        JobStatus::Interrupted if count == 1 => SignedDuration::ZERO,
        status if is_incomplete(status) => doubled(INCOMPLETE_PAUSE, count).min(MAX_INCOMPLETE_PAUSE),
        _ => doubled(FAILED_PAUSE, count).min(MAX_FAILED_PAUSE),
    };
    last.ended_at.checked_add(pause).ok()
}

/// As [`next_attempt`], for the collection of the due day. Whatever the pauses, there is an attempt shortly before `observed_until`,
/// after which values are reconstructed ones.
pub fn next_collection_attempt(
    attempts: &[AttemptEnd],
    changed_at: Timestamp,
    observed_until: Timestamp,
    now: Timestamp,
) -> Option<Timestamp> {
    let next = next_attempt(attempts, changed_at, now)?;
    let last_chance = observed_until.checked_sub(LAST_CHANCE).unwrap_or(Timestamp::MIN);
    let last = attempts.iter().find(|attempt| attempt.ended_at <= now);
    let was_used = last.is_some_and(|last| last.ended_at >= last_chance);
    let is_too_late = now < next && next > last_chance && !was_used && now < observed_until;
    Some(if is_too_late { last_chance } else { next })
}

/// Whether the attempt recorded anything.
fn is_incomplete(status: JobStatus) -> bool {
    matches!(status, JobStatus::Completed | JobStatus::Partial)
}

fn doubled(first: SignedDuration, count: usize) -> SignedDuration {
    // More doublings than these exceed every maximum.
    let doublings = u32::try_from(count.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
    first * 2_i32.pow(doublings)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDED: &str = "2025-01-02T00:15:00Z";

    /// Attempts that ended one after the other at [`ENDED`], newest first.
    fn attempts(statuses: &[JobStatus]) -> Vec<AttemptEnd> {
        let ended_at = ENDED.parse().unwrap();
        statuses.iter().map(|status| AttemptEnd { status: *status, ended_at }).collect()
    }

    /// Minutes after [`ENDED`].
    fn pause(statuses: &[JobStatus]) -> Option<i64> {
        let next = next_attempt(&attempts(statuses), Timestamp::UNIX_EPOCH, ENDED.parse().unwrap())?;
        Some(next.duration_since(ENDED.parse().unwrap()).as_mins())
    }

    #[test]
    fn pauses_double_up_to_a_maximum() {
        use JobStatus::{Busy, Completed, Failed, Interrupted, Partial};
        assert_eq!(pause(&[]), None);
        assert_eq!(pause(&[Failed]), Some(1));
        assert_eq!(pause(&[Failed, Failed, Failed, Partial]), Some(4));
        assert_eq!(pause(&[Failed; 30]), Some(60));
        assert_eq!(pause(&[Partial, Failed, Failed]), Some(50));
        assert_eq!(pause(&[Partial, Completed]), Some(100));
        assert_eq!(pause(&[Partial; 100]), Some(24 * 60));
        assert_eq!(pause(&[Busy; 5]), Some(1));
        assert_eq!(pause(&[Interrupted]), Some(0));
        assert_eq!(pause(&[Interrupted, Interrupted]), Some(2), "it may be what kills the process");
    }

    #[test]
    fn a_changed_definition_is_tried_at_once() {
        let (tried, changed_at) = (attempts(&[JobStatus::Partial]), "2025-01-02T08:00:00Z".parse().unwrap());
        assert_eq!(next_attempt(&tried, changed_at, changed_at), None);
    }

    #[test]
    fn attempts_that_were_made_while_the_clock_was_ahead_do_not_count() {
        let tried = attempts(&[JobStatus::Failed; 5]);
        let just_before = ENDED.parse::<Timestamp>().unwrap() - SignedDuration::from_secs(1);
        assert_eq!(next_attempt(&tried, Timestamp::UNIX_EPOCH, just_before), None);
    }
}
