//! Builds one series: takes recorded days one after the other and keeps only the points made of them.

use jiff::civil::Date;

use super::{
    bucket::BucketFold,
    catalogue::CatalogueMetric,
    day_range::DayRange,
    error::QueryError,
    gap,
    interval::{Bucket, Interval},
    metadata::MetadataText,
    point::Point,
    provenance_run::{RecordedDate, provenance_runs, version_changes},
    response::{Series, SeriesPart},
    rollup::never_reason,
    series_query::SeriesQuery,
    values::Wanted,
};
use crate::{
    collect::{Context, History},
    metric::has_value,
    store::{RecordedDay, SeriesDays},
};

pub(super) struct SeriesBuilder<'a> {
    wanted: Wanted<'a>,
    query: &'a SeriesQuery,
    /// The days from the first one of this part on.
    range: DayRange,
    points: Vec<Point>,
    recorded: Vec<RecordedDate>,
    /// Days whose record cannot be read.
    unreadable: Vec<Date>,
    /// Days whose value was withdrawn.
    withdrawn: Vec<Date>,
    /// Of the interval `day`: how many of the range's days have a point.
    days_done: usize,
    /// Of longer intervals: the bucket in progress; `None` after the last one.
    bucket: Option<BucketFold>,
    bytes: usize,
}

impl<'a> SeriesBuilder<'a> {
    /// Begins the series with the first day of `range`, which is the first day of a bucket or of the query.
    pub fn new(wanted: Wanted<'a>, query: &'a SeriesQuery, range: DayRange) -> Self {
        let whole = wanted.interval.bucket(range.from, query.week_start);
        let bucket = (wanted.interval != Interval::Day).then(|| BucketFold::new(whole, range.from, range.to));
        Self {
            wanted,
            query,
            range,
            points: Vec::new(),
            recorded: Vec::new(),
            unreadable: Vec::new(),
            withdrawn: Vec::new(),
            days_done: 0,
            bucket,
            bytes: 0,
        }
    }

    /// The approximate size of the points so far in an answer, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds the next days of the series.
    ///
    /// # Errors
    /// [`QueryError::UnknownVersion`] for a day by a version that the catalogue does not know.
    pub fn add_all(&mut self, days: Option<&SeriesDays>) -> Result<(), QueryError> {
        let Some(SeriesDays { recorded, unreadable, withdrawn }) = days else { return Ok(()) };
        self.unreadable.extend(unreadable);
        self.withdrawn.extend(withdrawn);
        recorded.iter().try_for_each(|day| self.add(day))
    }

    fn add(&mut self, day: &RecordedDay) -> Result<(), QueryError> {
        self.recorded.push(day.into());
        if self.wanted.interval == Interval::Day {
            self.skip_to(day.date);
            if self.range.days.get(self.days_done) == Some(&day.date) {
                let point = self.day_point(day);
                self.push(point);
                self.days_done += 1;
            }
            return Ok(());
        }
        while self.bucket.as_ref().is_some_and(|bucket| bucket.clipped.to < day.date) {
            self.close_bucket();
        }
        match &mut self.bucket {
            Some(bucket) => bucket.add(self.wanted.metric, day),
            None => Ok(()),
        }
    }

    fn push(&mut self, point: Point) {
        self.bytes += point.bytes();
        self.points.push(point);
    }

    /// Adds empty points for the days before `date`.
    fn skip_to(&mut self, date: Date) {
        while let Some(day) = self.range.days.get(self.days_done).copied().filter(|day| *day < date) {
            let is_due = day <= self.range.last_finished;
            self.push(Point { is_day: true, ..Point::empty(Bucket { from: day, to: day }, is_due.into()) });
            self.days_done += 1;
        }
    }

    fn day_point(&self, day: &RecordedDay) -> Point {
        let metric_type = self.wanted.metric.key.metric_type;
        let has_value = day.metadata.as_deref().is_none_or(|metadata| has_value(metric_type, metadata));
        let metadata = day.metadata.as_deref().filter(|_| self.query.metadata);
        Point {
            value: has_value.then(|| day.value.clone()),
            no_data: !has_value,
            days_recorded: 1,
            complete: true,
            provenance: Some(day.provenance.into()),
            definition_version: Some(day.definition_version),
            recorded_value: day.correction.as_ref().map(|correction| correction.recorded.clone()),
            revision: day.correction.as_ref().map(|correction| correction.revision),
            metadata: metadata.cloned().map(MetadataText::of),
            judgement: day
                .judgement
                .clone()
                .filter(|_| self.query.judgement)
                .map(|judgement| Box::new((*judgement).into())),
            ..Point::empty(Bucket { from: day.date, to: day.date }, 1)
        }
    }

    fn close_bucket(&mut self) {
        let Some(bucket) = self.bucket.take() else { return };
        let next = bucket.clipped.to.tomorrow().ok().filter(|next| *next <= self.range.to);
        self.bucket = next.map(|next| {
            let whole = self.wanted.interval.bucket(next, self.query.week_start);
            BucketFold::new(whole, self.range.from, self.range.to)
        });
        if let Some(point) = bucket.finish(self.wanted.metric, &self.range, self.query.metadata) {
            self.push(point);
        }
    }

    /// The last day of the last whole point, after which the series can be cut when all days up to `read` were added.
    pub fn cut_after(&mut self, read: Date) -> Option<Date> {
        match self.wanted.interval {
            Interval::Day => self.skip_to(read.tomorrow().unwrap_or(read)),
            _ => {
                while self.bucket.as_ref().is_some_and(|bucket| bucket.clipped.to <= read) {
                    self.close_bucket();
                }
            }
        }
        self.points.last().map(|point| point.to)
    }

    /// The series: all of it, or its part up to `cut`.
    pub fn finish(mut self, context: &Context, history: &History, cut: Option<Date>) -> Series {
        let to = cut.unwrap_or(self.range.to);
        self.cut_after(to);
        let range = self.range.until(to);
        let (metric, interval) = (self.wanted.metric, self.wanted.interval);
        self.recorded.retain(|recorded| recorded.date <= to);
        let recorded = provenance_runs(&range, &self.recorded);
        let dates = self.recorded.iter().map(|recorded| recorded.date);
        let without_value = gap::WithoutValue { unreadable: &self.unreadable, withdrawn: &self.withdrawn };
        let definition = metric.definition();
        let is_part = (range.from, to) != (self.query.from, self.query.to);
        Series {
            metric_type: metric.key.metric_type,
            metric_category: metric.key.category.clone(),
            display_name: definition.display_name.clone(),
            unit: definition.unit.clone(),
            format_pattern: definition.format_pattern.clone(),
            is_active: metric.stored.is_active,
            interval,
            part: is_part.then_some(SeriesPart { from: range.from, to }),
            roll_up: metric.current_roll_up(),
            has_labels: definition.measure.has_labels(),
            refused: is_refused(metric, interval).then(|| never_reason(definition).to_owned()),
            points: self.points,
            gaps: gap::gaps(context, metric, &range, dates, without_value, history),
            version_changes: version_changes(&recorded),
            recorded,
        }
    }
}

/// Whether no version of the metric has values that roll up to `interval`.
pub(super) fn is_refused(metric: &CatalogueMetric, interval: Interval) -> bool {
    interval != Interval::Day && metric.never_rolls_up()
}
