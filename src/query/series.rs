//! Series: from a query to a page of points and gaps, of a bounded size.

use jiff::civil::Date;

use super::{
    catalogue::Catalogue,
    cursor,
    day_range::DayRange,
    derived::{DerivedRequest, InputSeries, derived_series},
    error::QueryError,
    interval::Interval,
    point::{DAY_POINT_BYTES, POINT_BYTES, Point},
    provenance_run::{joined_runs, version_changes},
    requested_series::{RequestedSeries, refuse_hopeless, requested},
    response::{RESPONSE_BYTES, Series, SeriesPart, SeriesResponse},
    series_builder::SeriesBuilder,
    series_query::{MAX_DAYS, Position, SeriesQuery, weekday},
    values::{self, CHUNK_BYTES, Wanted},
};
use crate::{
    blocking::block_in_place_if_large,
    collect::{Context, History},
    metric::DerivedMetric,
};

/// The approximate limit of the points of a page with metadata, in bytes: a page ends, within a series if necessary, at as
/// many. Pages without metadata end before that by the number of their days.
const PAGE_BYTES: usize = 4 * 1024 * 1024;
/// The approximate upper bound of the memory of parsed records, as a multiple of the memory of their text.
pub(super) const PARSED: usize = 8;

/// How many series of inputs a derived series is thought to hold, when its memory is estimated.
const MAX_INPUTS_HELD: usize = 4;

/// A page of series.
///
/// # Errors
/// [`QueryError::Refused`] when no requested series can be made; [`QueryError::UnknownVersion`] when `catalogue` is
/// older than a record; when the store fails.
pub async fn series(
    context: &Context,
    catalogue: &Catalogue,
    query: &SeriesQuery,
) -> Result<SeriesResponse, QueryError> {
    refuse_hopeless(catalogue, query)?;
    series_until(context, catalogue, query, context.last_finished(), query.page_bytes()).await
}

/// As [`series`], at a moment when `last_finished` was the last finished day, with `max_bytes` a page.
pub(super) async fn series_until(
    context: &Context,
    catalogue: &Catalogue,
    query: &SeriesQuery,
    last_finished: Date,
    max_bytes: usize,
) -> Result<SeriesResponse, QueryError> {
    let requested = requested(catalogue, query);
    let page = &requested[..requested.len().min(query.limit)];
    let mut pages = PageBuilder {
        context,
        query,
        range: DayRange::new(&context.tenant.calendar, query.from, query.to, last_finished),
        history: None,
        max_bytes,
        bytes: 0,
        series: Vec::new(),
        cut: None,
    };
    let mut next = 0;
    while next < page.len() && !pages.is_full() {
        next += match page[next] {
            RequestedSeries::Derived(metric, interval) => {
                pages.add_derived(catalogue, metric, interval).await?
            }
            RequestedSeries::Recorded(_) => {
                let recorded: Vec<_> = page[next..].iter().map_while(RequestedSeries::recorded).collect();
                pages.add_batch(&recorded).await?
            }
        };
    }
    let next_cursor = pages.next_cursor(requested.len());
    Ok(SeriesResponse {
        from: query.from,
        to: query.to,
        time_zone: context.tenant.calendar.name().to_owned(),
        week_start: weekday(query.week_start),
        last_finished,
        series: pages.series,
        next_cursor,
    })
}

impl SeriesQuery {
    fn page_bytes(&self) -> usize {
        if self.metadata || self.judgement { PAGE_BYTES } else { RESPONSE_BYTES }
    }

    /// About how many bytes of memory making a page takes: its points, their text, and the records that are read at a time.
    pub fn memory_bytes(&self, catalogue: &Catalogue) -> usize {
        let count = |interval: Interval| interval.count(self.from, self.to, self.week_start, MAX_DAYS);
        let plain = |interval| if interval == Interval::Day { DAY_POINT_BYTES } else { POINT_BYTES };
        let (mut points, mut read) = (0_usize, 0_usize);
        for requested in requested(catalogue, self).iter().take(self.limit) {
            let RequestedSeries::Recorded(wanted) = requested else {
                let inputs = 1 + MAX_INPUTS_HELD;
                points =
                    points.saturating_add(inputs * count(requested.interval()) * plain(requested.interval()));
                continue;
            };
            let is_more = self.metadata || self.judgement;
            let metadata = if is_more { wanted.record_bytes() } else { 0 };
            points = points.saturating_add(count(wanted.interval) * (plain(wanted.interval) + metadata));
            read = read.saturating_add(count(Interval::Day) * wanted.record_bytes());
        }
        2 * points.min(self.page_bytes()) + PARSED * read.min(CHUNK_BYTES)
    }
}

impl SeriesResponse {
    /// Adds the next page. A series that was cut between them becomes one.
    pub fn join(&mut self, next: Self) {
        let mut series = next.series.into_iter();
        let is_next = |last: &Series, first: &Series| {
            first.part.is_some()
                && (last.metric_type, &last.metric_category, last.interval)
                    == (first.metric_type, &first.metric_category, first.interval)
        };
        if let (Some(last), Some(first)) = (self.series.last_mut(), series.as_slice().first())
            && is_next(last, first)
        {
            let Some(first) = series.next() else { return };
            last.part =
                last.part.zip(first.part).map(|(last, first)| SeriesPart { from: last.from, to: first.to });
            last.part = last.part.filter(|part| (part.from, part.to) != (self.from, self.to));
            last.points.extend(first.points);
            last.gaps.extend(first.gaps);
            last.recorded = joined_runs(std::mem::take(&mut last.recorded), first.recorded);
            last.version_changes = version_changes(&last.recorded);
        }
        self.series.extend(series);
        self.next_cursor = next.next_cursor;
    }
}

struct PageBuilder<'a> {
    context: &'a Context,
    query: &'a SeriesQuery,
    range: DayRange,
    /// The incomplete runs of the days of the query; `None` until the log is read.
    history: Option<History>,
    max_bytes: usize,
    bytes: usize,
    series: Vec<Series>,
    /// The day after which the last series was cut.
    cut: Option<Date>,
}

impl<'a> PageBuilder<'a> {
    fn is_full(&self) -> bool {
        self.cut.is_some() || self.bytes >= self.max_bytes
    }

    /// Adds the series of `rest` that one statement reads, or one series by several statements. Returns the number of
    /// series added.
    async fn add_batch(&mut self, rest: &[Wanted<'a>]) -> Result<usize, QueryError> {
        let Some(first) = rest.first() else { return Ok(0) };
        let is_cut = |after: &&Position| after.key == first.metric.key && after.interval == first.interval;
        let begun = self.query.after.as_ref().filter(is_cut).and_then(|after| after.next_day);
        let (count, fits) = values::batch(rest, self.range.days.len());
        match begun {
            None if fits => self.add_short(&rest[..count]).await,
            _ => self.add_long(*first, begun.unwrap_or(self.query.from)).await.map(|()| 1),
        }
    }

    /// Adds a derived series, which is never cut.
    async fn add_derived(
        &mut self,
        catalogue: &Catalogue,
        metric: &DerivedMetric,
        interval: Interval,
    ) -> Result<usize, QueryError> {
        let SeriesQuery { from, to, week_start, metadata, values, .. } = *self.query;
        let last_finished = self.range.last_finished;
        let request =
            DerivedRequest { metric, interval, from, to, week_start, metadata, values, last_finished };
        let context = self.context;
        let read = |query| boxed_series(context, catalogue, query, last_finished);
        let series = derived_series(context, catalogue, request, read).await?;
        self.bytes += series.points.iter().map(Point::bytes).sum::<usize>();
        self.series.push(series);
        self.cut = None;
        Ok(1)
    }

    /// Adds series that are read at once.
    async fn add_short(&mut self, batch: &[Wanted<'a>]) -> Result<usize, QueryError> {
        let (query, context) = (self.query, self.context);
        let mut values = values::read(context, batch, (query.from, query.to), query.values).await?;
        let runs = std::mem::take(&mut values.runs);
        self.history.get_or_insert_with(|| History::of(runs));
        block_in_place_if_large(values.size(), || {
            for (place, wanted) in batch.iter().enumerate() {
                if self.is_full() {
                    return Ok(place);
                }
                let mut builder = SeriesBuilder::new(*wanted, query, self.range.clone());
                builder.add_all(values.of(place))?;
                self.push(builder, None);
            }
            Ok(batch.len())
        })
    }

    /// Adds a series from `from` on, by as many statements as its records need, until the page is full.
    async fn add_long(&mut self, wanted: Wanted<'a>, from: Date) -> Result<(), QueryError> {
        let (query, context) = (self.query, self.context);
        if self.history.is_none() {
            self.history = Some(values::history(context, query.from, query.to, query.values).await?);
        }
        let mut builder = SeriesBuilder::new(wanted, query, self.range.clone().since(from));
        for (first, last) in values::chunks(&wanted, from, query.to) {
            let values = values::read(context, &[wanted], (first, last), query.values).await?;
            block_in_place_if_large(values.size(), || builder.add_all(values.of(0)))?;
            if last < query.to
                && self.bytes + builder.bytes() >= self.max_bytes
                && let Some(cut) = builder.cut_after(last)
            {
                self.push(builder, Some(cut).filter(|cut| *cut < query.to));
                return Ok(());
            }
        }
        self.push(builder, None);
        Ok(())
    }

    fn push(&mut self, builder: SeriesBuilder<'a>, cut: Option<Date>) {
        let nothing = History::of(Vec::new());
        let series = builder.finish(self.context, self.history.as_ref().unwrap_or(&nothing), cut);
        self.bytes += series.points.iter().map(Point::bytes).sum::<usize>();
        self.series.push(series);
        self.cut = cut;
    }

    /// The cursor of the page that follows, if there is one; `wanted` is how many series there are from this page on.
    fn next_cursor(&self, wanted: usize) -> Option<String> {
        let last = self.series.last()?;
        if self.cut.is_none() && self.series.len() == wanted {
            return None;
        }
        let next_day = self.cut.and_then(|cut| cut.tomorrow().ok());
        let SeriesQuery { identity, from, to, .. } = self.query;
        let Series { metric_category, metric_type, interval, .. } = last;
        Some(cursor::write(&(identity, from, to, metric_category, metric_type.name(), interval, next_day)))
    }
}

/// The series of `query` at once, for a series that is derived from them.
fn boxed_series<'a>(
    context: &'a Context,
    catalogue: &'a Catalogue,
    query: SeriesQuery,
    last_finished: Date,
) -> InputSeries<'a> {
    Box::pin(async move { series_until(context, catalogue, &query, last_finished, usize::MAX).await })
}
