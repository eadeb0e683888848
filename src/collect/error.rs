//! Why a run did not do what it was asked to.

use jiff::civil::Date;
use uuid::Uuid;

use crate::{
    config::shown,
    database::{Fault, FaultClass},
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
        /// In the reporting time zone.
        ready_at: String,
        last_finished: Date,
    },
    #[error("{date} cannot be recorded yet: {staleness}; all of it is to be seen from {ready_at}")]
    Stale {
        date: Date,
        /// In the reporting time zone.
        ready_at: String,
        /// How far behind the platform is, and why.
        staleness: String,
    },
    #[error("{date} never happened in {zone}: the zone skipped that date")]
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
         apply` to go on with days of {configured}, or set `time_zone = \"{stored}\"` again"
    )]
    OtherTimeZone { stored: String, configured: String },
    #[error("no active metric is called {}; {suggestion}", shown(name))]
    UnknownMetric { name: String, suggestion: String },
    #[error("metric `{category}`: {problem}")]
    Definition { category: String, problem: DefinitionError },
    #[error("metric `{0}` is defined twice; give each metric a name of its own")]
    DuplicateDefinition(String),
    #[error(
        "no source has a row with a time, so there is no first day to start from; name one with `--from`"
    )]
    NoRows,
    #[error(
        "these metrics are SQL queries of your own, which name no source that a first day could be read from; name it \
         with `--from`"
    )]
    NoSources,
    #[error(
        "the platform's first row (source `{source_name}`) is of {first}, after {to}: there is nothing to reconstruct. To \
         record zeros for the days before it, say `--before-first-row`"
    )]
    BeforeFirstRow { to: Date, source_name: String, first: Date },
    #[error(
        "the earliest row of source `{source_name}` is of {first}, which makes {days} days (more than {limit}): is that time right? Name \
         the first day that you want with `--from`"
    )]
    TooLong { source_name: String, first: Date, days: usize, limit: usize },
    #[error(
        "this machine's clock says {ours}, and that of the store's server {theirs}: a day that is not over would be \
         recorded. Set the clock, by NTP for example"
    )]
    ClockAhead {
        /// Both in the reporting time zone.
        ours: String,
        theirs: String,
    },
    #[error("interrupted: {kept}")]
    Interrupted { kept: String },
    #[error(
        "the run reached its deadline of {minutes} minutes: {kept}. Raise `collect.deadline_minutes`, or find with \
         `daymark plan` which statement takes so long"
    )]
    DeadlineReached { minutes: u64, kept: String },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the platform {location}: {fault}; {}", advice(.fault))]
    Platform { location: String, fault: Fault },
    #[error(
        "{error}; moreover run {run} could not be marked as failed in the collection log ({log_error}): \
         the next run will do that"
    )]
    Unlogged { error: Box<CollectError>, run: Uuid, log_error: Box<StoreError> },
}

/// What a person can do about a fault of the platform.
pub(crate) fn advice(fault: &Fault) -> &'static str {
    if fault.sqlstate.as_deref() == Some("sqlite:14") {
        return "let this user read the file and, where it is in WAL mode, write to its directory";
    }
    if let Some(hint) = fault.connection_hint() {
        return hint;
    }
    // `row_security = off`: the message is the only thing that tells it from a missing privilege.
    if fault.class == FaultClass::Denied && fault.message.contains("row-level security") {
        return "let the role see all rows: give it BYPASSRLS, or a policy that does (docs/operations.md)";
    }
    match fault.class {
        FaultClass::Unreachable => "check that it is running, and the host and the port in its URL",
        FaultClass::Elsewhere => "check that the server that its foreign table is on runs",
        FaultClass::Denied => "grant the role SELECT on the tables that the sources name",
        FaultClass::Sql => "compare the sources and their columns with the platform's tables",
        FaultClass::Cancelled => "it was stopped on request; run it again when that suits the platform",
        FaultClass::TooLarge => "let its query return less, or record it in smaller parts",
        FaultClass::Data => "look for the rows that the database cannot compute with, and filter them out",
        FaultClass::TimedOut => "raise `platform.statement_timeout_seconds`, or index the time column",
        FaultClass::Locked | FaultClass::Contention => "see what else is at work there, and try again",
        FaultClass::Full => "make room on its disk",
        FaultClass::Unconfigured => {
            "set `platform.url` in daymark.toml, DAYMARK_PLATFORM_URL or DATABASE_URL, or give --platform-url, as in \
             `--platform-url postgres://user@host/database` or `--platform-url sqlite:app.db`"
        }
        FaultClass::Other => "check that its URL names the right database",
    }
}

/// What a person can do about a metric that the platform does not plan or cannot read.
pub(crate) fn metric_advice(fault: &Fault) -> &'static str {
    match fault.class {
        FaultClass::Sql | FaultClass::Other => {
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
        };
        Self::Busy { what, holder }
    }

    /// Whether something was asked for that there is not, and nothing failed.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Unfinished { .. }
                | Self::NeverHappened { .. }
                | Self::TooEarly { .. }
                | Self::EmptyRange { .. }
                | Self::BeforeFirstRow { .. }
                | Self::UnknownMetric { .. }
                | Self::NoDefinitions
        )
    }

    /// The database's own account of what went wrong, where there is one.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Platform { fault, .. } | Self::Store(StoreError::Fault { fault, .. }) => Some(fault),
            Self::Unlogged { error, .. } => error.fault(),
            _ => None,
        }
    }
}
