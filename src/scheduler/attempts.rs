//! The time of the next attempt at a task. The jobs in the store are the only memory of earlier attempts, so that a restarted process or another
//! leader knows them as well.

use jiff::{SignedDuration, Timestamp};

use crate::{
    jobs::Task,
    store::{Job, JobStatus},
};

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

/// An attempt at a task that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub task: Task,
    pub status: JobStatus,
    pub ended_at: Timestamp,
}

impl Attempt {
    /// `None` for a job that has not ended, or that this version cannot read.
    pub fn of(job: &Job) -> Option<Self> {
        let task = Task::from_spec(&job.spec)?;
        Some(Self { task, status: job.status, ended_at: job.finished_at? })
    }
}

/// The earliest time of the next attempt of `task`, from its earlier `attempts`, newest first. Attempts before
/// `changed_at`, the last change of one of its definitions, do not count. Neither do those after `now`, which were made while the
/// clock was ahead: their pauses would last until the time that it showed then. `None`: at once.
pub fn next_attempt(
    attempts: &[Attempt],
    task: &Task,
    changed_at: Option<Timestamp>,
    now: Timestamp,
) -> Option<Timestamp> {
    let is_counted = |attempt: &&Attempt| {
        attempt.task == *task
            && attempt.ended_at <= now
            && changed_at.is_none_or(|changed_at| changed_at <= attempt.ended_at)
    };
    let ended: Vec<_> = attempts.iter().filter(is_counted).collect();
    let last = ended.first()?;
    let is_alike = |attempt: &&&Attempt| is_incomplete(attempt.status) == is_incomplete(last.status);
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

    fn task() -> Task {
        Task::Collect { date: "2025-01-01".parse().unwrap(), metrics: Vec::new() }
    }

    /// Attempts that ended one after the other at [`ENDED`], newest first.
    fn attempts(statuses: &[JobStatus]) -> Vec<Attempt> {
        let ended_at = ENDED.parse().unwrap();
        statuses.iter().map(|status| Attempt { task: task(), status: *status, ended_at }).collect()
    }

    /// Minutes after [`ENDED`].
    fn pause(statuses: &[JobStatus]) -> Option<i64> {
        let next = next_attempt(&attempts(statuses), &task(), None, ENDED.parse().unwrap())?;
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
    fn a_changed_definition_and_another_task_are_tried_at_once() {
        let (tried, changed_at) = (attempts(&[JobStatus::Partial]), "2025-01-02T08:00:00Z".parse().unwrap());
        assert_eq!(next_attempt(&tried, &task(), Some(changed_at), changed_at), None);
        let other = Task::Collect { date: "2025-01-03".parse().unwrap(), metrics: Vec::new() };
        assert_eq!(next_attempt(&tried, &other, None, changed_at), None);
    }

    #[test]
    fn attempts_that_were_made_while_the_clock_was_ahead_do_not_count() {
        let tried = attempts(&[JobStatus::Failed; 5]);
        let just_before = ENDED.parse::<Timestamp>().unwrap() - SignedDuration::from_secs(1);
        assert_eq!(next_attempt(&tried, &task(), None, just_before), None);
    }
}
