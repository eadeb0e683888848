//! The state of a job, from memory while it runs in this process, otherwise from the store.

use super::JobResult;
use crate::store::Job;

/// A job, its progress and its result.
#[derive(Debug, Clone)]
pub struct JobState {
    pub job: Job,
    /// The number of days to write; 0 until it is known.
    pub days_total: usize,
    pub days_done: usize,
    /// The result; `None` while the job runs.
    pub result: Option<JobResult>,
}

impl From<Job> for JobState {
    fn from(job: Job) -> Self {
        let result = job.result.as_ref().map(JobResult::from_json);
        let (days_total, days_done) =
            result.as_ref().map_or((0, 0), |result| (result.days_total, result.days_done));
        Self { job, days_total, days_done, result }
    }
}
