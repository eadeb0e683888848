//! Jobs: requested collections, backfills and restatements. A job is kept when its process ends, so that a client can read its status
//! later.

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Map, Value};
use strum::{EnumIter, EnumString, IntoStaticStr};
use uuid::Uuid;

use super::Trigger;
use crate::store::{StoreError, row};

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum JobKind {
    Collect,
    Backfill,
    Restate,
}

impl JobKind {
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// A job only ever moves forwards: from `Queued` to `Running` to one of the others, or from `Queued` to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum JobStatus {
    Queued,
    Running,
    Completed,
    Partial,
    Failed,
    /// Another process was doing the same work, so this job did nothing.
    Busy,
    /// Its process was stopped or died.
    Interrupted,
}

impl JobStatus {
    pub fn name(self) -> &'static str {
        self.into()
    }

    pub fn is_finished(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// A requested job.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    pub id: Uuid,
    pub kind: JobKind,
    /// The parameters of the work, such as dates and metrics: at most 64 KiB of JSON.
    pub spec: Map<String, Value>,
    pub trigger: Trigger,
    /// The actor, as in [`super::NewRun`].
    pub actor: String,
    pub created_at: Timestamp,
    /// The machine and the process that will do it.
    pub host: String,
    pub process_id: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    pub id: Uuid,
    pub kind: JobKind,
    pub spec: Map<String, Value>,
    pub trigger: Trigger,
    pub actor: String,
    pub status: JobStatus,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub host: String,
    pub process_id: u32,
    /// The run in the collection log that did it.
    pub run_id: Option<Uuid>,
    pub result: Option<Map<String, Value>>,
}

impl Job {
    /// Whether an earlier attempt of a call with this time started it, and only its answer was lost.
    pub(in crate::store) fn is_started_at(&self, at: Timestamp) -> bool {
        self.status == JobStatus::Running && self.started_at == Some(at)
    }

    /// Whether an earlier attempt of this very call ended it, and only its answer was lost.
    pub(in crate::store) fn is_finished_by(&self, end: &JobEnd) -> bool {
        self.status == end.status && self.finished_at == Some(row::to_micros(end.finished_at))
    }
}

/// The end of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct JobEnd {
    pub id: Uuid,
    /// A status that is finished.
    pub status: JobStatus,
    pub finished_at: Timestamp,
    pub run_id: Option<Uuid>,
    /// At most 64 KiB as JSON.
    pub result: Option<Map<String, Value>>,
}

/// The filter of a list of jobs, which is sorted newest first.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    pub status: Option<JobStatus>,
    pub limit: Option<i64>,
}

#[async_trait]
pub trait Jobs: Send + Sync {
    /// Adds a job with status `queued`, committed before this returns.
    async fn add_job(&self, job: &NewJob) -> Result<(), StoreError>;

    /// The job, if there is one.
    async fn job(&self, id: Uuid) -> Result<Option<Job>, StoreError>;

    /// Jobs, newest first; of those made at once, by id.
    async fn jobs(&self, filter: &JobFilter) -> Result<Vec<Job>, StoreError>;

    /// Marks a queued job as running. `false` when it is not queued: another call started or ended it.
    async fn start_job(&self, id: Uuid, at: Timestamp) -> Result<bool, StoreError>;

    /// Ends a job. `false` when it had ended before, otherwise than by this call.
    async fn finish_job(&self, end: &JobEnd) -> Result<bool, StoreError>;
}
