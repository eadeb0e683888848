//! What a backfill tells in the end.

use std::time::Duration;

use jiff::civil::Date;
use uuid::Uuid;

use crate::{
    collect::{Discrepancy, EarlierMeaning, Failure, FirstRow, LeftOut},
    metric::MetricKey,
    store::RunStatus,
};

/// What became of a backfill.
#[derive(Debug, Clone)]
pub struct BackfillReport {
    /// The entry in the collection log; `None` for a dry run, and when nothing was missing, so that no run was made of it.
    pub run: Option<Uuid>,
    /// `None` for a dry run.
    pub status: Option<RunStatus>,
    pub from: Date,
    pub to: Date,
    /// The platform's first row, where the backfill began with it though an earlier day was asked for.
    pub clipped_to: Option<FirstRow>,
    /// Days of the range that exist in the reporting zone.
    pub days: usize,
    /// Days that lack a record of some metric.
    pub missing_days: usize,
    /// By category.
    pub metrics: Vec<MetricCount>,
    pub failed: Vec<Failure>,
    pub left_out: Vec<LeftOut>,
    /// What no reconstruction can know, a sentence each.
    pub cannot_know: Vec<String>,
    /// Days of the range that were recorded when their metric was defined otherwise.
    pub earlier_meanings: Vec<EarlierMeaning>,
    /// What the check of the result found.
    pub discrepancies: Vec<Discrepancy>,
    pub duration: Duration,
}

/// Days of one metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricCount {
    pub key: MetricKey,
    pub missing: usize,
    pub written: usize,
    pub already_there: usize,
}
