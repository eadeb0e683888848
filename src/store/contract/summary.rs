//! The last runs, and how many records there are.

use jiff::civil::Date;
use sqlx::{ColumnIndex, Decode, Row, Type};

use super::{LoggedRun, Run};
use crate::{
    metric::{MetricKey, Provenance},
    store::row,
};

#[derive(Debug, Clone, Default)]
pub struct StoreSummary {
    /// The newest run.
    pub last_run: Option<LoggedRun>,
    /// The newest run that completed.
    pub last_completed: Option<Run>,
    /// In no order; metrics without a record are not among them.
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

/// Reads a row of `count_records.sql`. `date` reads a column of a day, for which the databases have types of their own.
pub(in crate::store) fn record_count<'r, R>(
    columns: &'r R,
    date: impl Fn(&'r R, &'static str) -> Result<Date, sqlx::Error>,
) -> Result<RecordCount, sqlx::Error>
where
    R: Row,
    &'static str: ColumnIndex<R>,
    &'r str: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
{
    let count = |column| {
        let count: i64 = columns.try_get(column)?;
        usize::try_from(count).map_err(|error| row::undecodable(column, error))
    };
    Ok(RecordCount {
        key: row::metric_key(columns)?,
        first: date(columns, "first")?,
        last: date(columns, "last")?,
        of_provenance: [
            (Provenance::Observed, count("observed")?),
            (Provenance::Reconstructed, count("reconstructed")?),
            (Provenance::Corrected, count("corrected")?),
        ],
        until_day: count("until_day")?,
        of_day: count("of_day")?,
    })
}
