//! The rows of series, a page at a time: some whole buckets of all metrics, or, where that would be too many records,
//! one bucket of some of the metrics. Either way the rows come by interval, then by bucket, then by metric.

use std::{ops::Range as Places, sync::Arc};

use async_trait::async_trait;

use super::{
    ExportQuery,
    series_row::{COLUMNS, rows},
    table::{ExportColumn, Pages, Row},
};
use crate::{
    blocking::block_in_place_if_large,
    collect::Context,
    query::{Bucket, Catalogue, Interval, QueryError, SeriesQuery, SeriesResponse, series},
};

/// Records that are in memory at once, more or less.
const PAGE_RECORDS: usize = 10_000;

#[derive(Clone)]
pub(super) struct SeriesPages {
    context: Context,
    catalogue: Arc<Catalogue>,
    query: ExportQuery,
    /// The interval of the next page.
    interval: Interval,
    /// Those that follow, the next one at the end.
    later: Vec<Interval>,
    /// The days of the next page; `None` after the last one.
    days: Option<Bucket>,
    /// The metrics of the next page.
    metrics: Places<usize>,
    metadata: bool,
}

impl SeriesPages {
    /// # Errors
    /// [`QueryError::Refused`] when no metric that was asked rolls up.
    pub fn new(context: Context, catalogue: Arc<Catalogue>, query: ExportQuery) -> Result<Self, QueryError> {
        let mut later: Vec<_> = query.intervals.iter().rev().copied().collect();
        let interval = later.pop().unwrap_or(Interval::Day);
        let mut pages =
            Self { context, catalogue, query, interval, later, days: None, metrics: 0..0, metadata: true };
        let whole = pages.page_question(pages.whole(), Places::default());
        series::refuse_hopeless(
            &pages.catalogue,
            &SeriesQuery { intervals: pages.query.intervals.clone(), ..whole },
        )?;
        pages.begin(interval);
        Ok(pages)
    }

    fn begin(&mut self, interval: Interval) {
        self.interval = interval;
        self.days = Some(self.days_from(self.whole()));
        self.metrics = 0..self.metrics_at_once();
    }

    async fn answer(&self, query: &SeriesQuery) -> Result<SeriesResponse, QueryError> {
        series::series_until(&self.context, &self.catalogue, query, self.query.last_finished).await
    }

    fn whole(&self) -> Bucket {
        Bucket { from: self.query.from, to: self.query.to }
    }

    fn advance(&mut self, days: Bucket) {
        let all = self.query.metrics.len();
        if self.metrics.end < all {
            let end = (self.metrics.end + self.metrics_at_once()).min(all);
            self.metrics = self.metrics.end..end;
            return;
        }
        self.metrics = 0..self.metrics_at_once();
        let next = days.to.tomorrow().ok().filter(|next| *next <= self.query.to);
        self.days = next.map(|from| self.days_from(Bucket { from, ..self.whole() }));
        if self.days.is_none()
            && let Some(interval) = self.later.pop()
        {
            self.begin(interval);
        }
    }

    /// At most how many days a bucket has.
    fn bucket_days(&self) -> usize {
        match self.interval {
            Interval::Day => 1,
            Interval::Week => 7,
            Interval::Month => 31,
            Interval::Quarter => 92,
            Interval::Year => 366,
        }
    }

    fn metrics_at_once(&self) -> usize {
        (PAGE_RECORDS / self.bucket_days()).min(self.query.metrics.len())
    }

    /// The first days of `rest` that make a page: a whole number of buckets, but for what `rest` cuts off.
    fn days_from(&self, rest: Bucket) -> Bucket {
        let at_once = PAGE_RECORDS / (self.bucket_days() * self.query.metrics.len().max(1));
        let buckets = self.interval.buckets(rest.from, rest.to, self.query.week_start);
        let last = buckets.take(at_once.max(1)).last();
        Bucket { from: rest.from, to: last.map_or(rest.to, |last| last.to.min(rest.to)) }
    }

    fn page_question(&self, days: Bucket, metrics: Places<usize>) -> SeriesQuery {
        let all = &self.query.metrics;
        let metrics = if metrics.is_empty() { all.clone() } else { all[metrics].to_vec() };
        SeriesQuery {
            from: days.from,
            to: days.to,
            metrics,
            intervals: vec![self.interval],
            week_start: self.query.week_start,
            metadata: self.metadata,
            limit: usize::MAX,
            identity: 0,
            after: None,
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
        let query = self.page_question(days, self.metrics.clone());
        let answer = match self.answer(&query).await {
            // Definitions changed since the catalogue was read.
            Err(QueryError::UnknownVersion { .. }) => {
                self.catalogue = Arc::new(Catalogue::load(self.context.tenant.store.as_ref()).await?);
                self.answer(&query).await?
            }
            answer => answer?,
        };
        self.advance(days);
        Ok(Some(block_in_place_if_large(answer.size(), || rows(answer))))
    }

    /// Without metadata that no roll-up needs.
    fn for_decimals(&self) -> Option<Box<dyn Pages>> {
        Some(Box::new(Self { metadata: false, ..self.clone() }))
    }

    fn go_on_with(&mut self, context: &Context) {
        self.context = context.clone();
    }
}
