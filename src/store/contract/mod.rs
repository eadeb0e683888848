//! The contract of a store: a trait for each entity, and [`Store`], which combines them. Each trait is implemented
//! once, in `entities/`, with what only one database understands in `postgres/` and `sqlite/`; both stores pass the same
//! conformance suite.

mod alert_evaluation;
mod alerts;
mod annotations;
mod backups;
mod cron;
mod definitions;
mod drift_samples;
mod events;
mod finish;
mod functions;
mod jobs;
mod judgements;
mod keys;
mod notifications;
mod records;
mod redactions;
mod revisions;
mod run;
mod runs;
mod schedule;
mod session_ends;
mod store;
mod summary;
pub mod table;
mod upkeep;
mod watch;

pub use alert_evaluation::AlertEvaluation;
pub use alerts::{AlertState, AlertStatus, Alerts, FiredAs, Silence};
pub use annotations::{Annotation, AnnotationText, Annotations};
pub(super) use backups::ContentsSum;
pub use backups::{Backups, MetricContents, StoreContents};
pub use cron::{Cron, CronJob, CronState};
pub use definitions::{
    DefinitionChange, DefinitionVersion, Definitions, DefinitionsChanged, Origin, StoredDefinition,
};
pub use drift_samples::{DriftSample, DriftSamples};
pub use events::{Event, EventKind, Events};
pub use finish::Finish;
pub use functions::{
    FirstRowQuery, FunctionCalendar, FunctionMetric, FunctionPlace, FunctionSpec, Functions,
    InstalledFunctions, RecordingTask,
};
pub use jobs::{Job, JobEnd, JobFilter, JobKind, JobStatus, Jobs, NewJob};
pub(super) use judgements::JudgementRow;
pub use judgements::{Anomaly, JudgedDay, Judgements};
pub use keys::Keys;
pub use notifications::{
    AfterAttempt, Behind, DeliveryAttempt, DeliveryOutcome, NewNotification, Notification,
    NotificationCounts, NotificationKind, NotificationStatus, Notifications,
};
pub use records::{
    AskedMetric, Latest, MOST_SKIPPED, RecordedDay, RecordedDays, Records, SeriesDays, SeriesQuestion,
    SeriesRows, ValueCorrection, ValuesAsked,
};
pub use redactions::{
    LabelFindings, LabelRedactions, LeftPlaces, NewRedaction, RedactedMetric, RedactedPlaces, RedactedTexts,
    Redaction, Redactions, ReturnedLabel,
};
pub use revisions::{
    LastRevision, NewRevision, Revision, RevisionBasis, RevisionBatch, RevisionEffect, RevisionFilter,
    RevisionPosition, Revisions,
};
pub use run::{LockName, LoggedRun, NewRun, Run, RunKind, RunOutcome, RunStatus, Trigger};
pub use runs::{Held, INCOMPLETE_BACKFILLS, INCOMPLETE_PER_DAY, RunFilter, Runs};
pub use schedule::{Leader, Pause, ScheduleState, Schedules};
pub use session_ends::SessionEnds;
pub use store::Store;
pub use summary::{RecordCount, StoreSummary};
pub use table::{TablePage, TableQuery, Tables};
pub use upkeep::{IntegrityFinding, MigrationNames, Upkeep};
pub use watch::{SharedWatch, Watch};
