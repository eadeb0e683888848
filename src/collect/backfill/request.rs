//! The parameters of a backfill.

use jiff::civil::Date;

#[derive(Debug, Clone, Default)]
pub struct BackfillRequest {
    /// The first day; by default the day of the earliest row of all sources.
    pub from: Option<Date>,
    /// The last day; by default the last finished one.
    pub to: Option<Date>,
    /// The categories of the metrics to backfill; if empty, every active metric.
    pub only: Vec<String>,
    /// Whether days before the platform's first row are recorded too, as zeros. Otherwise the backfill begins with the
    /// day of the first row.
    pub before_first_row: bool,
    /// Whether to report the missing records only, and write nothing, not even a log entry.
    pub dry_run: bool,
}
