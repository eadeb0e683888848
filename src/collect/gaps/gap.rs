//! A gap and its cause.

use std::fmt;

use jiff::civil::Date;
use strum::IntoStaticStr;

use crate::{metric::MetricKey, store::RunKind};

/// Consecutive days without a record of a metric, for the same reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    pub key: MetricKey,
    pub first: Date,
    pub last: Date,
    pub days: usize,
    pub cause: GapCause,
}

#[derive(Debug, Clone, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum GapCause {
    Failed {
        message: String,
    },
    TimedOut {
        message: String,
    },
    /// A run that covers the day is in progress.
    Running {
        kind: RunKind,
        process_id: u32,
        host: String,
    },
    NeverCollected,
    /// The metric was defined after the day; a backfill can record it.
    DefinedLater {
        defined_on: Date,
    },
    /// The day has passed, and the metric's query can only return the present value.
    NotReconstructible,
    /// The platform has no row of that time any more, because its application deletes old ones, so nothing can be reconstructed.
    BeforeFirstRow {
        /// The day of the platform's first row.
        first_row: Date,
    },
    /// There is a record. No command fills the gap, because the first record of a day stays.
    UnreadableRecord,
    /// There is a record, and its value was withdrawn: the value of the day cannot be known.
    Withdrawn,
}

impl GapCause {
    /// Whether a run can still record the days.
    pub fn can_be_recorded(&self) -> bool {
        !matches!(
            self,
            Self::NotReconstructible | Self::BeforeFirstRow { .. } | Self::UnreadableRecord | Self::Withdrawn
        )
    }

    pub(super) fn of(message: String, timed_out: bool) -> Self {
        if timed_out { Self::TimedOut { message } } else { Self::Failed { message } }
    }

    /// The name of the cause in JSON.
    pub fn name(&self) -> &'static str {
        self.into()
    }
}

impl fmt::Display for GapCause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { message } => write!(formatter, "failed: {message}"),
            Self::TimedOut { message } => {
                write!(formatter, "timed out: {message}")
            }
            Self::Running { kind, process_id, host } => {
                write!(formatter, "running now: {}, process {process_id} on {host}", kind.name())
            }
            Self::NeverCollected => formatter.write_str("never collected"),
            Self::DefinedLater { defined_on } => write!(formatter, "defined only on {defined_on}"),
            Self::NotReconstructible => {
                formatter.write_str("cannot be reconstructed: its query returns the present value only")
            }
            Self::BeforeFirstRow { first_row } => write!(
                formatter,
                "cannot be reconstructed: the platform's first row is of {first_row}, and no older one is left"
            ),
            Self::UnreadableRecord => formatter.write_str(
                "there is a record, but it cannot be read; `daymark check` and the log say what is wrong",
            ),
            Self::Withdrawn => formatter
                .write_str("withdrawn: the value cannot be known; `daymark corrections` has the reason"),
        }
    }
}
