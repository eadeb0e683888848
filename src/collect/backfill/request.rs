//! What a backfill is asked for.

use jiff::civil::Date;

#[derive(Debug, Clone, Default)]
pub struct BackfillRequest {
    /// By default the day of the earliest row of any source.
    pub from: Option<Date>,
    /// By default the last finished day.
    pub to: Option<Date>,
    /// Categories; empty: every active metric.
    pub only: Vec<String>,
    /// Whether days before the platform's first row are recorded too, as zeros. Otherwise the backfill begins with the
    /// first row.
    pub before_first_row: bool,
    /// Reports what is missing, and writes nothing, not even a log entry.
    pub dry_run: bool,
}
