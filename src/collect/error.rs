//! The reasons why a run is refused or fails.

use jiff::civil::Date;
use uuid::Uuid;

use crate::{
    config::shown,
    database::{Fault, FaultClass, TimeLimit},
    metric::DefinitionError,
    store::{LockName, StoreError},
};

#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    #[error(
        "{date} is not finished: it can be recorded from {ready_at}; the last finished day is {last_finished}"
    )]
    Unfinished {
        date: Date,
        /// The local time in the reporting time zone.
        ready_at: String,
        last_finished: Date,
    },
    #[error("{date} cannot be recorded yet: {staleness}; the day is complete from {ready_at}")]
    Stale {
        date: Date,
        /// The local time in the reporting time zone.
        ready_at: String,
        /// How far behind the platform is, and why.
        staleness: String,
    },
    #[error("{date} does not exist in {zone}: the time zone skipped that date")]
    NeverHappened { date: Date, zone: String },
    #[error("{date} is before {first}, the first day that can be recorded")]
    TooEarly { date: Date, first: Date },
    #[error("the range is empty: {from} is after {to}")]
    EmptyRange { from: Date, to: Date },
    #[error("{what} is already being done by {holder}; try again when it has finished")]
    Busy { what: String, holder: String },
    #[error("no metric is defined in the store; run `daymark apply`")]
    NoDefinitions,
    #[error(
        "the store's definitions record days of the time zone {stored}, and `time_zone` is {configured}: run `daymark \
         apply` to continue with days of {configured}, or set `time_zone = \"{stored}\"` again"
    )]
    OtherTimeZone { stored: String, configured: String },
    #[error("no active metric is called {}; {suggestion}", shown(name))]
    UnknownMetric { name: String, suggestion: String },
    #[error(
        "{} is a derived metric: it is computed when it is read, and has no records; name what it is computed from: {inputs}",
        shown(name)
    )]
    Derived { name: String, inputs: String },
    #[error("metric `{category}`: {problem}")]
    Definition { category: String, problem: DefinitionError },
    #[error("metric `{0}` is defined twice; give each metric a unique name")]
    DuplicateDefinition(String),
    #[error("no source has a row with a time, so the first day is unknown; give the first day with `--from`")]
    NoRows,
    #[error(
        "these metrics are `sql` queries, which name no source from which the first day could be read; give the first \
         day with `--from`"
    )]
    NoSources,
    #[error(
        "the platform's first row (source `{source_name}`) is of {first}, after {to}, so there is nothing to reconstruct. To \
         record zeros for the days before it, run `daymark backfill` with `--before-first-row`, `--from` and `--to`"
    )]
    BeforeFirstRow { to: Date, source_name: String, first: Date },
    #[error(
        "the earliest row of source `{source_name}` is of {first}, which makes {days} days (more than {limit}): is that time right? Give \
         the first day that you want with `--from`"
    )]
    TooLong { source_name: String, first: Date, days: usize, limit: usize },
    #[error(
        "{values} values (days multiplied by metrics) would be compared, and the limit is {limit}: give a shorter range, or \
         fewer metrics"
    )]
    TooManyValues { values: usize, limit: usize },
    #[error(
        "this machine's clock says {ours}, and that of {whose} {theirs}: a day could be recorded before it has ended, or as \
         observed long after. Set both clocks, by NTP for example"
    )]
    ClocksDiffer {
        /// As in `the store's server`.
        whose: &'static str,
        /// Both are local times in the reporting time zone.
        ours: String,
        theirs: String,
    },
    #[error("interrupted: {kept}")]
    Interrupted { kept: String },
    #[error(
        "the platform was not read within {limit}: {kept}; {}", limit.source.advice
    )]
    DeadlineReached { limit: TimeLimit, kept: String },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the platform {location}: {fault}; {}", advice(.fault))]
    Platform { location: String, fault: Fault },
    #[error(
        "{error}; in addition, run {run} could not be marked as failed in the collection log ({log_error}); \
         the next run will mark it"
    )]
    Unlogged { error: Box<CollectError>, run: Uuid, log_error: Box<StoreError> },
}

/// Returns what the user can do about a fault of the platform.
pub(crate) fn advice(fault: &Fault) -> &'static str {
    if fault.sqlstate.as_deref() == Some("sqlite:14") {
        return "let this user read the file and, if it is in WAL mode, write to its directory";
    }
    if let Some(limit) = fault.limit {
        return limit.advice;
    }
    if let Some(hint) = fault.connection_hint() {
        return hint;
    }
    match fault.class {
        FaultClass::Unreachable => "check that it is running, and the host and the port in its URL",
        FaultClass::Elsewhere => "check that the foreign server behind its foreign table is running",
        FaultClass::Denied => "grant the role SELECT on the tables that the sources name",
        FaultClass::HiddenRows => {
            "let the role read every row: have an administrator run `ALTER ROLE <role> BYPASSRLS`, or read a view that belongs to \
             the table's owner (docs/quickstart-postgresql.md, \"Row level security\")"
        }
        FaultClass::Sql => "compare the sources and their columns with the platform's tables",
        FaultClass::Cancelled => {
            "the statement was cancelled on request; run it again when the platform permits"
        }
        FaultClass::TooLarge => "make its query return less, or split it into several metrics",
        FaultClass::Data => "find the rows that the database cannot evaluate, and exclude them with a filter",
        FaultClass::TimedOut => "raise `platform.statement_timeout_seconds`, or index the time column",
        FaultClass::Locked | FaultClass::Contention => {
            "find the other transactions that hold locks there, and try again"
        }
        FaultClass::Full => "free space on its disk",
        FaultClass::Unconfigured => {
            "set `platform.url` in daymark.toml, DAYMARK_PLATFORM_URL or DATABASE_URL, or give --platform-url, as in \
             `--platform-url postgres://user@host/database` or `--platform-url sqlite:app.db`"
        }
        FaultClass::Other if fault.sqlstate.is_some() => "look for the reason in the log of its server",
        FaultClass::Other => "check that its URL names the right database",
    }
}

/// Returns what the user can do about a metric that the platform cannot plan or read.
pub(crate) fn metric_advice(fault: &Fault) -> &'static str {
    match fault.class {
        FaultClass::Sql | FaultClass::Other if fault.connection_hint().is_none() => {
            "compare its source, columns, filters and query with the platform's tables; `daymark plan` shows the SQL"
        }
        _ => advice(fault),
    }
}

impl CollectError {
    pub(super) fn busy(lock: LockName, holder: String) -> Self {
        let what = match lock {
            LockName::Day(date) => format!("collecting {date}"),
            LockName::Backfill => "a backfill".to_owned(),
            LockName::Restate => "a restatement".to_owned(),
            LockName::Leader => "the schedule".to_owned(),
            LockName::Alerts => "the delivery of notifications".to_owned(),
        };
        Self::Busy { what, holder }
    }

    /// Whether the request itself cannot be fulfilled, as opposed to a failure while fulfilling it.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Unfinished { .. }
                | Self::NeverHappened { .. }
                | Self::TooEarly { .. }
                | Self::EmptyRange { .. }
                | Self::BeforeFirstRow { .. }
                | Self::UnknownMetric { .. }
                | Self::Derived { .. }
                | Self::NoDefinitions
        )
    }

    /// The fault that a database reported, if there is one.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Platform { fault, .. } | Self::Store(StoreError::Fault { fault, .. }) => Some(fault),
            Self::Unlogged { error, .. } => error.fault(),
            _ => None,
        }
    }
}
