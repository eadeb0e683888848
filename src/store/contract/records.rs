//! Reading records.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use serde_json::{Map, Value};

use super::{LoggedRun, StoreSummary};
use crate::{
    judgement::Judgement,
    metric::{Decimal, MetricKey, Provenance, Record},
    store::StoreError,
};

/// Which records exist: the dates of each metric.
pub type RecordedDays = HashMap<MetricKey, BTreeSet<Date>>;

/// Which values of the recorded days are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ValuesAsked {
    /// The values of the records, whether they were corrected or not.
    pub as_recorded: bool,
    /// What the store knew at this instant: records and revisions whose `created_at` is later are left out. By default now.
    pub as_of: Option<Timestamp>,
}

/// Which values to read, and for which days to read the incomplete runs.
#[derive(Debug, Clone)]
pub struct SeriesQuestion {
    pub from: Date,
    pub to: Date,
    pub metrics: Vec<AskedMetric>,
    pub values: ValuesAsked,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedMetric {
    pub key: MetricKey,
    /// Whether the metadata of the records are requested; they are the largest part of an answer.
    pub metadata: bool,
    /// Whether the judgements of the records are requested.
    pub judgement: bool,
}

#[derive(Debug, Clone, Default)]
pub struct SeriesRows {
    /// One for each metric asked, in that order.
    pub series: Vec<SeriesDays>,
    /// The runs that are not `completed` and whose days overlap the range, newest first; see [`super::Runs::incomplete_runs`].
    pub runs: Vec<LoggedRun>,
}

/// The recorded days of a metric in a range, by date.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeriesDays {
    pub recorded: Vec<RecordedDay>,
    /// Days whose record cannot be read.
    pub unreadable: Vec<Date>,
    /// Days whose value was withdrawn. They have a record, and no value in force.
    pub withdrawn: Vec<Date>,
}

/// The value in force of a recorded day, and the fields of its record that a series shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedDay {
    pub date: Date,
    /// With the digits as they are stored.
    pub value: Decimal,
    pub provenance: Provenance,
    pub definition_version: i32,
    /// Present if they were requested, and for an average or percentage of 0, where they show whether it is of no rows.
    /// Boxed because they are rarely present.
    pub metadata: Option<Box<Map<String, Value>>>,
    /// Present if it was requested and the record is judged. Boxed because most questions do not request it.
    pub judgement: Option<Box<Judgement>>,
    /// Present if the value was corrected. Boxed because it is rarely present.
    pub correction: Option<Box<ValueCorrection>>,
}

/// What a corrected value stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueCorrection {
    /// The number of the revision in force.
    pub revision: i32,
    /// The value of the record.
    pub recorded: Decimal,
}

/// The newest value in force of a metric, as a record, and the values before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latest {
    pub record: Record,
    /// The values 1 day, 7 days and a calendar month before the record's date, if they are recorded and have a value. A month before
    /// 31 March is the last day of February.
    pub day_before: Option<Decimal>,
    pub week_before: Option<Decimal>,
    pub month_before: Option<Decimal>,
    /// `None` if the record is not judged yet.
    pub judgement: Option<Judgement>,
    /// Present if the value was corrected; the provenance is [`Provenance::Corrected`] then.
    pub correction: Option<ValueCorrection>,
}

/// Reading records, and the values in force that series and the newest values are made of. A row that cannot be read, which only a superuser can have made, is left out and named in the log.
#[async_trait]
pub trait Records: Send + Sync {
    /// Which records exist in `from..=to`.
    async fn recorded(&self, from: Date, to: Date) -> Result<RecordedDays, StoreError>;

    /// The first and the last recorded day.
    async fn recorded_span(&self) -> Result<Option<(Date, Date)>, StoreError>;

    /// Waits until every commit of records and revisions whose time is at or before `instant` has ended, so that what was known at that
    /// instant no longer changes.
    ///
    /// # Errors
    /// [`StoreError::Future`] when the instant is later than the present by the clock of the store's database;
    /// [`StoreError::Unsettled`] when a commit is still under way after the store's retries.
    async fn settle(&self, instant: Timestamp) -> Result<(), StoreError>;

    /// When the newest record was read: the latest `collection_timestamp`.
    async fn last_cut(&self) -> Result<Option<Timestamp>, StoreError>;

    /// The records in `from..=to`, by date and category; of all metrics, or only of `categories`.
    async fn records(
        &self,
        from: Date,
        to: Date,
        categories: Option<&[String]>,
    ) -> Result<Vec<Record>, StoreError>;

    /// The values of some metrics in a range of days, and the runs that did not complete them.
    async fn series(&self, question: &SeriesQuestion) -> Result<SeriesRows, StoreError>;

    /// As [`Records::series`], without the runs.
    async fn series_days(&self, question: &SeriesQuestion) -> Result<Vec<SeriesDays>, StoreError>;

    /// The newest value that can be read of each of `metrics` that has one, by category; of the newest [`MOST_SKIPPED`] + 1.
    async fn latest(&self, metrics: &[MetricKey], values: ValuesAsked) -> Result<Vec<Latest>, StoreError>;

    /// The last runs, and how many records there are of each metric: up to and on `day` without those of the dates in
    /// `skipped`, which the time zone never had. Its time grows with the number of records.
    async fn summary(&self, day: Date, skipped: &[Date]) -> Result<StoreSummary, StoreError>;
}

/// How many records of a metric that cannot be read [`Records::latest`] skips to find one that can.
pub const MOST_SKIPPED: i64 = 31;

impl SeriesQuestion {
    /// Asks for the values in force, without metadata and judgements.
    pub fn of_values(metrics: impl IntoIterator<Item = MetricKey>, from: Date, to: Date) -> Self {
        let asked = |key| AskedMetric { key, metadata: false, judgement: false };
        let metrics = metrics.into_iter().map(asked).collect();
        Self { from, to, metrics, values: ValuesAsked::default() }
    }

    /// The number of days multiplied by the number of metrics.
    pub fn size(&self) -> usize {
        let days = usize::try_from((self.to - self.from).get_days() + 1).unwrap_or(0);
        days.saturating_mul(self.metrics.len())
    }
}
