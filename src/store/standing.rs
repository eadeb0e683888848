//! Where things stand: the last runs, and how many records there are.

use jiff::civil::Date;
use sqlx::{ColumnIndex, Decode, Row, Type};

use super::{LoggedRun, Run, RunStatus, packed::unpack_run, row};
use crate::metric::{MetricKey, Provenance};

#[derive(Debug, Clone, Default)]
pub struct Standing {
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
    /// Those of the day that was asked about and of days before, without the dates that never were.
    pub until_day: usize,
    /// Those of that day alone: one or none.
    pub of_day: usize,
}

impl RecordCount {
    pub fn records(&self) -> usize {
        self.of_provenance.iter().map(|(_, records)| records).sum()
    }
}

impl Standing {
    /// Adds a row: of a metric, or, where `run` is not null, of a run. `date` reads a column of a day, for which the
    /// databases have types of their own.
    pub(super) fn add<'r, R>(
        &mut self,
        columns: &'r R,
        date: impl Fn(&'r R, &'static str) -> Result<Date, sqlx::Error>,
    ) -> Result<(), sqlx::Error>
    where
        R: Row,
        &'static str: ColumnIndex<R>,
        &'r str: Decode<'r, R::Database> + Type<R::Database>,
        String: Decode<'r, R::Database> + Type<R::Database>,
        i64: Decode<'r, R::Database> + Type<R::Database>,
    {
        let run: Option<&str> = columns.try_get("run")?;
        match run {
            None => self.counts.push(count(columns, date)?),
            Some(run) => self.add_run(unpack_run(run)?),
        }
        Ok(())
    }

    /// There are at most two: the newest one and the newest that completed, which may be the same.
    fn add_run(&mut self, logged: LoggedRun) {
        let key = |run: &Run| (run.started_at, std::cmp::Reverse(run.id));
        if logged.run.status == RunStatus::Completed {
            self.last_completed = Some(logged.run.clone());
        }
        if self.last_run.as_ref().is_none_or(|last| key(&last.run) < key(&logged.run)) {
            self.last_run = Some(logged);
        }
    }
}

fn count<'r, R>(
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
