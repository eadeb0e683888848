//! The last runs, and how many records there are.

use jiff::civil::Date;

use super::{LoggedRun, Run};
use crate::metric::{MetricKey, Provenance};

#[derive(Debug, Clone, Default)]
pub struct StoreSummary {
    /// The newest run.
    pub last_run: Option<LoggedRun>,
    /// The newest run that completed.
    pub last_completed: Option<Run>,
    /// The counts in no particular order, without metrics that have no record.
    pub counts: Vec<RecordCount>,
}

/// How many records there are of a metric: at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordCount {
    pub key: MetricKey,
    pub first: Date,
    pub last: Date,
    pub of_provenance: [(Provenance, usize); 3],
    /// Those of the day asked about and of days before it, without the skipped dates.
    pub until_day: usize,
    /// Those of that day alone: one or none.
    pub of_day: usize,
}

impl RecordCount {
    pub fn records(&self) -> usize {
        self.of_provenance.iter().map(|(_, records)| records).sum()
    }
}
