//! Where a job is, while its process does it and afterwards, as the store has it.

use super::JobResult;
use crate::store::Job;

/// Where a job is.
#[derive(Debug, Clone)]
pub struct JobState {
    pub job: Job,
    /// Days to be written; 0 until that is known.
    pub days_total: usize,
    pub days_done: usize,
    /// `None` while it runs.
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
