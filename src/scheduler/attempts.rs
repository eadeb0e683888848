//! The attempts at tasks that have ended, from the jobs in the store.

use jiff::Timestamp;

use crate::{
    collect::AttemptEnd,
    jobs::Task,
    store::{Job, JobStatus},
};

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

/// The ends of the attempts at `task`, in their order.
pub fn ends_of(attempts: &[Attempt], task: &Task) -> Vec<AttemptEnd> {
    let of_task = attempts.iter().filter(|attempt| attempt.task == *task);
    of_task.map(|attempt| AttemptEnd { status: attempt.status, ended_at: attempt.ended_at }).collect()
}
