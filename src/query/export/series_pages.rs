//! The rows of series, a page at a time: some whole buckets of all metrics, or, where that would be too many records,
//! one bucket of some of the metrics. Either way the rows come by interval, then by bucket, then by metric.

use std::{ops::Range as Places, sync::Arc};

use async_trait::async_trait;
use jiff::civil::Date;

use super::{
    series_row::{COLUMNS, rows},
    table::{ExportColumn, Pages, Row},
};
use crate::{
    blocking::block_in_place_if_large,
    collect::Context,
    metric::MetricKey,
    query::{
        catalogue::Catalogue,
        error::QueryError,
        interval::{Bucket, Interval},
        requested_series::refuse_hopeless,
        response::SeriesResponse,
        series::series_until,
        series_query::SeriesQuery,
        values::Wanted,
    },
};

/// The memory of a record without labels while it is read and written, in bytes.
const RECORD_BYTES: usize = 680;
/// The approximate memory of a page of rows, in bytes: 10,000 records without labels, or as many breakdowns as take the same.
const PAGE_BYTES: usize = 10_000 * RECORD_BYTES;

#[derive(Clone)]
pub(super) struct SeriesPages {
    context: Context,
    catalogue: Arc<Catalogue>,
    query: SeriesQuery,
    last_finished: Date,
    /// The interval of the next page.
    interval: Interval,
    /// The intervals that follow, in reverse order: the next one is the last element.
    later: Vec<Interval>,
    /// The days of the next page; `None` after the last one.
    days: Option<Bucket>,
    /// The metrics of the next page.
    metrics: Places<usize>,
    metadata: bool,
}

impl SeriesPages {
    /// # Errors
    /// [`QueryError::Refused`] when none of the requested metrics rolls up.
    pub fn new(context: Context, catalogue: Arc<Catalogue>, query: SeriesQuery) -> Result<Self, QueryError> {
        let last_finished = context.last_finished();
        let mut later: Vec<_> = query.intervals.iter().rev().copied().collect();
        let interval = later.pop().unwrap_or(Interval::Day);
        refuse_hopeless(&catalogue, &query)?;
        let mut pages = Self {
            context,
            catalogue,
            query,
            last_finished,
            interval,
            later,
            days: None,
            metrics: 0..0,
            metadata: true,
        };
        pages.begin(interval);
        Ok(pages)
    }

    fn begin(&mut self, interval: Interval) {
        self.interval = interval;
        self.days = Some(self.days_from(self.whole()));
        self.metrics = 0..self.metrics_at_once(0);
    }

    async fn answer(&self, query: &SeriesQuery) -> Result<SeriesResponse, QueryError> {
        series_until(&self.context, &self.catalogue, query, self.last_finished, usize::MAX).await
    }

    fn whole(&self) -> Bucket {
        Bucket { from: self.query.from, to: self.query.to }
    }

    fn advance(&mut self, days: Bucket) {
        let all = self.query.metrics.len();
        if self.metrics.end < all {
            let end = self.metrics.end + self.metrics_at_once(self.metrics.end);
            self.metrics = self.metrics.end..end;
            return;
        }
        self.metrics = 0..self.metrics_at_once(0);
        let next = days.to.tomorrow().ok().filter(|next| *next <= self.query.to);
        self.days = next.map(|from| self.days_from(Bucket { from, ..self.whole() }));
        if self.days.is_none()
            && let Some(interval) = self.later.pop()
        {
            self.begin(interval);
        }
    }

    /// The largest number of days that a bucket has.
    fn bucket_days(&self) -> usize {
        match self.interval {
            Interval::Day => 1,
            Interval::Week => 7,
            Interval::Month => 31,
            Interval::Quarter => 92,
            Interval::Year => 366,
        }
    }

    /// The approximate memory of one bucket of each metric: its records while they are read, or its point.
    fn bucket_bytes(&self, metrics: &[MetricKey]) -> impl Iterator<Item = usize> {
        let records = self.bucket_days() * RECORD_BYTES;
        metrics.iter().map(move |key| {
            let metric = self.catalogue.get(key);
            let point = metric.map(|metric| {
                Wanted::new(metric, self.interval, self.metadata, self.metadata).record_bytes()
            });
            records.max(point.unwrap_or(0))
        })
    }

    /// How many metrics from the one at `first` on have one bucket each in a page.
    fn metrics_at_once(&self, first: usize) -> usize {
        let rest = self.query.metrics.get(first..).unwrap_or_default();
        let mut bytes = 0;
        let fits = |of_metric: &usize| {
            bytes += of_metric;
            bytes <= PAGE_BYTES
        };
        self.bucket_bytes(rest).take_while(fits).count().max(1).min(rest.len())
    }

    /// The first days of `rest` for a page: whole buckets, except those that `rest` cuts.
    fn days_from(&self, rest: Bucket) -> Bucket {
        let of_all: usize = self.bucket_bytes(&self.query.metrics).sum();
        let at_once = PAGE_BYTES / of_all.max(1);
        let buckets = self.interval.buckets(rest.from, rest.to, self.query.week_start);
        let last = buckets.take(at_once.max(1)).last();
        Bucket { from: rest.from, to: last.map_or(rest.to, |last| last.to.min(rest.to)) }
    }

    fn page_query(&self, days: Bucket, metrics: Places<usize>) -> SeriesQuery {
        SeriesQuery {
            from: days.from,
            to: days.to,
            metrics: self.query.metrics[metrics].to_vec(),
            intervals: vec![self.interval],
            metadata: self.metadata,
            judgement: self.metadata && self.query.values.as_of.is_none(),
            limit: usize::MAX,
            ..self.query.clone()
        }
    }
}

#[async_trait]
impl Pages for SeriesPages {
    fn columns(&self) -> &'static [ExportColumn] {
        COLUMNS
    }

    async fn next(&mut self) -> Result<Option<Vec<Row>>, QueryError> {
        let Some(days) = self.days else { return Ok(None) };
        let query = self.page_query(days, self.metrics.clone());
        let answer = match self.answer(&query).await {
            // Definitions changed since the catalogue was read.
            Err(QueryError::UnknownVersion { .. }) => {
                let catalogue = Catalogue::load(self.context.tenant.store.as_ref()).await?;
                let derived = self.catalogue.derived();
                self.catalogue = Arc::new(catalogue.with_derived(derived).with_all_versions());
                self.answer(&query).await?
            }
            answer => answer?,
        };
        self.advance(days);
        Ok(Some(block_in_place_if_large(answer.size(), || rows(answer))))
    }

    /// Judgements are not read, and metadata only if the roll-up needs them.
    fn for_decimals(&self) -> Option<Box<dyn Pages>> {
        Some(Box::new(Self { metadata: false, ..self.clone() }))
    }

    fn continue_with(&mut self, context: &Context) {
        self.context = context.clone();
    }
}
