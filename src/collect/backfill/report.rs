//! The report of a backfill.

use std::time::Duration;

use jiff::civil::Date;
use uuid::Uuid;

use crate::{
    collect::{Discrepancy, EarlierMeaning, Failure, FirstRow, LeftOut},
    metric::MetricKey,
    store::RunStatus,
};

/// The result of a backfill.
#[derive(Debug, Clone)]
pub struct BackfillReport {
    /// The entry in the collection log; `None` for a dry run, and when nothing was missing and so no run was logged.
    pub run: Option<Uuid>,
    /// `None` for a dry run.
    pub status: Option<RunStatus>,
    pub from: Date,
    pub to: Date,
    /// The platform's first row, if the backfill began with its day although an earlier day was requested.
    pub clipped_to: Option<FirstRow>,
    /// The number of days of the range that exist in the reporting time zone.
    pub days: usize,
    /// The number of days that lacked a record of at least one metric.
    pub missing_days: usize,
    /// The counts of each metric, ordered by category.
    pub metrics: Vec<MetricCount>,
    pub failed: Vec<Failure>,
    pub left_out: Vec<LeftOut>,
    /// The limits of the reconstruction, in one sentence each.
    pub cannot_know: Vec<String>,
    /// Days of the range that were recorded under a definition with another meaning.
    pub earlier_meanings: Vec<EarlierMeaning>,
    /// The discrepancies that the verification of the written records found.
    pub discrepancies: Vec<Discrepancy>,
    pub duration: Duration,
}

/// The numbers of days of one metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricCount {
    pub key: MetricKey,
    pub missing: usize,
    pub written: usize,
    pub already_there: usize,
}
