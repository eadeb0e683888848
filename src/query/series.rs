//! Series: from a query, through one statement of the store, to points and gaps.

use std::collections::HashMap;

use jiff::civil::Date;

use super::{
    Bucket, Catalogue, Interval, Metric, Point, PointProvenance, QueryError, Refusal, RollUp, Series,
    SeriesGap, SeriesQuery, SeriesResponse, catalogue::order, cursor, day_range::DayRange, gap,
    provenance_run::provenance_runs, rollup::NEVER, weekday,
};
use crate::{
    blocking::block_in_place_if_large,
    collect::{Context, History},
    metric::MetricKey,
    store::{AskedMetric, RecordedDay, SeriesQuestion, SeriesRows},
};

/// A page of series. The store is asked once.
///
/// # Errors
/// [`QueryError::Refused`] when no series that was asked can be made; [`QueryError::UnknownVersion`] when `catalogue` is
/// older than a record; when the store fails.
pub async fn series(
    context: &Context,
    catalogue: &Catalogue,
    query: &SeriesQuery,
) -> Result<SeriesResponse, QueryError> {
    refuse_hopeless(catalogue, query)?;
    series_until(context, catalogue, query, context.last_finished()).await
}

/// As [`series`], at a moment when `last_finished` was the last finished day.
pub(super) async fn series_until(
    context: &Context,
    catalogue: &Catalogue,
    query: &SeriesQuery,
    last_finished: Date,
) -> Result<SeriesResponse, QueryError> {
    let wanted = wanted(catalogue, query);
    let page: Vec<_> = wanted.iter().take(query.limit).copied().collect();
    let next_cursor = page
        .last()
        .filter(|_| wanted.len() > page.len())
        .map(|(metric, interval)| end_of_page(query, metric, *interval));
    let asked = asked(&page, query);
    let (rows, size) = read(context, query, &asked).await?;
    let series = block_in_place_if_large(size, || {
        let range = DayRange::new(&context.tenant.calendar, query.from, query.to, last_finished);
        let days = by_metric(context, &range, &asked, rows);
        let series = |(metric, interval): (&Metric, Interval)| {
            let days = days.get(&metric.key)?;
            Some(made(metric, interval, query, &range, days))
        };
        page.into_iter().filter_map(series).collect::<Result<_, _>>()
    })?;
    Ok(SeriesResponse {
        from: query.from,
        to: query.to,
        time_zone: context.tenant.calendar.name().to_owned(),
        week_start: weekday(query.week_start),
        last_finished,
        series,
        next_cursor,
    })
}

/// Every series that was asked, whatever the page.
fn all<'a>(catalogue: &'a Catalogue, query: &'a SeriesQuery) -> impl Iterator<Item = (&'a Metric, Interval)> {
    let metrics = query.metrics.iter().filter_map(|key| catalogue.get(key));
    metrics.flat_map(|metric| query.intervals.iter().map(move |interval| (metric, *interval)))
}

/// The series of this page and all later ones.
fn wanted<'a>(catalogue: &'a Catalogue, query: &'a SeriesQuery) -> Vec<(&'a Metric, Interval)> {
    let is_later = |metric: &Metric, interval: Interval| match &query.after {
        None => true,
        Some((key, last)) => order(&metric.key, key).then(interval.cmp(last)).is_gt(),
    };
    all(catalogue, query).filter(|(metric, interval)| is_later(metric, *interval)).collect()
}

/// # Errors
/// [`QueryError::Refused`] when no series that was asked can be made.
pub(super) fn refuse_hopeless(catalogue: &Catalogue, query: &SeriesQuery) -> Result<(), QueryError> {
    let hopeful = all(catalogue, query).any(|(metric, interval)| !is_refused(metric, interval));
    let refusal = |(metric, interval): (&Metric, Interval)| Refusal {
        key: metric.key.clone(),
        interval,
        reason: NEVER.to_owned(),
    };
    let refusals: Vec<_> = all(catalogue, query).map(refusal).collect();
    if hopeful || refusals.is_empty() { Ok(()) } else { Err(QueryError::Refused(refusals)) }
}

fn is_refused(metric: &Metric, interval: Interval) -> bool {
    interval != Interval::Day && metric.never_rolls_up()
}

fn end_of_page(query: &SeriesQuery, metric: &Metric, interval: Interval) -> String {
    let MetricKey { metric_type, category } = &metric.key;
    cursor::write(&(query.identity, query.from, query.to, category, metric_type.name(), interval))
}

/// Each metric once; with its metadata if they are wanted or needed.
fn asked<'a>(page: &[(&'a Metric, Interval)], query: &SeriesQuery) -> Vec<(&'a Metric, bool)> {
    let mut asked: Vec<(&Metric, bool)> = Vec::new();
    for (metric, interval) in page {
        let metadata = query.metadata || (*interval != Interval::Day && metric.needs_metadata());
        match asked.last_mut() {
            Some((last, with)) if last.key == metric.key => *with |= metadata,
            _ => asked.push((metric, metadata)),
        }
    }
    asked
}

/// What is recorded of a metric, and what is not.
struct Days {
    recorded: Vec<RecordedDay>,
    gaps: Vec<SeriesGap>,
}

/// What the store holds, and how many days of metrics it was asked for.
async fn read(
    context: &Context,
    query: &SeriesQuery,
    asked: &[(&Metric, bool)],
) -> Result<(SeriesRows, usize), QueryError> {
    if asked.is_empty() {
        return Ok((SeriesRows::default(), 0));
    }
    let metrics =
        asked.iter().map(|(metric, metadata)| AskedMetric { key: metric.key.clone(), metadata: *metadata });
    let rows = SeriesQuestion { from: query.from, to: query.to, metrics: metrics.collect() };
    Ok((context.tenant.store.series(&rows).await?, rows.size()))
}

fn by_metric<'a>(
    context: &Context,
    range: &DayRange,
    asked: &[(&'a Metric, bool)],
    rows: SeriesRows,
) -> HashMap<&'a MetricKey, Days> {
    let history = History::of(rows.runs);
    let days = asked.iter().zip(rows.series).map(|((metric, _), recorded)| {
        let gaps = gap::gaps(context, metric, range, &recorded, &history);
        (&metric.key, Days { recorded, gaps })
    });
    days.collect()
}

fn made(
    metric: &Metric,
    interval: Interval,
    query: &SeriesQuery,
    range: &DayRange,
    days: &Days,
) -> Result<Series, QueryError> {
    let points = match interval {
        Interval::Day => by_day(query, range, &days.recorded),
        _ => rolled_up(metric, interval, query, range, &days.recorded)?,
    };
    let definition = metric.definition();
    Ok(Series {
        metric_type: metric.key.metric_type,
        metric_category: metric.key.category.clone(),
        display_name: definition.display_name.clone(),
        unit: definition.unit.clone(),
        format_pattern: definition.format_pattern.clone(),
        is_active: metric.stored.is_active,
        interval,
        roll_up: metric.current_roll_up(),
        refused: is_refused(metric, interval).then(|| NEVER.to_owned()),
        points,
        recorded: provenance_runs(range, &days.recorded),
        gaps: days.gaps.clone(),
    })
}

fn by_day(query: &SeriesQuery, range: &DayRange, recorded: &[RecordedDay]) -> Vec<Point> {
    let mut recorded = recorded.iter().peekable();
    let point = |day: &Date| {
        while recorded.next_if(|record| record.date < *day).is_some() {}
        let empty = Point::empty(Bucket { from: *day, to: *day }, usize::from(*day <= range.last_finished));
        let Some(record) = recorded.next_if(|record| record.date == *day) else { return empty };
        Point {
            value: Some(record.value.clone()),
            days_recorded: 1,
            complete: true,
            provenance: PointProvenance::of([record.provenance]),
            definition_version: Some(record.definition_version),
            metadata: record.metadata.as_ref().filter(|_| query.metadata).cloned(),
            ..empty
        }
    };
    range.days.iter().map(point).collect()
}

fn rolled_up(
    metric: &Metric,
    interval: Interval,
    query: &SeriesQuery,
    range: &DayRange,
    recorded: &[RecordedDay],
) -> Result<Vec<Point>, QueryError> {
    let mut rest = recorded;
    let mut points = Vec::new();
    for whole in interval.buckets(query.from, query.to, query.week_start) {
        let clipped = whole.clipped(range.from, range.to);
        let (days, later) = rest.split_at(rest.partition_point(|day| day.date <= clipped.to));
        rest = later;
        // A bucket none of whose days exists is none.
        if !range.days_in(clipped).is_empty() {
            points.push(bucket_point(metric, query, range, (whole, clipped), days)?);
        }
    }
    Ok(points)
}

fn bucket_point(
    metric: &Metric,
    query: &SeriesQuery,
    range: &DayRange,
    (whole, clipped): (Bucket, Bucket),
    days: &[RecordedDay],
) -> Result<Point, QueryError> {
    let (rolled, refused) = match roll_up(metric, days)? {
        None => (None, None),
        Some(Ok(roll_up)) => match roll_up.apply(days) {
            Ok(rolled) => (Some(rolled), None),
            Err(reason) => (None, Some(reason)),
        },
        Some(Err(reason)) => (None, Some(reason)),
    };
    let version = days.first().map(|day| day.definition_version);
    let one_version = days.iter().all(|day| Some(day.definition_version) == version);
    Ok(Point {
        is_day: false,
        from: clipped.from,
        to: clipped.to,
        days_recorded: days.len(),
        days_due: range.days_due(clipped),
        complete: whole == clipped && days.len() == range.days_in(clipped).len(),
        provenance: PointProvenance::of(days.iter().map(|day| day.provenance)),
        definition_version: version.filter(|_| one_version),
        value_date: rolled.as_ref().and_then(|rolled| rolled.value_date),
        lower_bound: rolled.as_ref().is_some_and(|rolled| rolled.lower_bound),
        refused,
        metadata: rolled
            .as_ref()
            .and_then(|rolled| rolled.metadata.as_ref())
            .filter(|_| query.metadata)
            .cloned(),
        value: rolled.map(|rolled| rolled.value),
    })
}

/// How the days of a bucket roll up: as the versions say that made them, if they all say the same; `None` without days.
fn roll_up(metric: &Metric, days: &[RecordedDay]) -> Result<Option<Result<RollUp, String>>, QueryError> {
    let mut found: Option<(RollUp, i32)> = None;
    for day in days {
        let version = day.definition_version;
        let roll_up = metric.roll_up(version).ok_or_else(|| QueryError::UnknownVersion {
            key: metric.key.clone(),
            date: day.date,
            version,
        })?;
        match found {
            Some((other, before)) if other != roll_up => {
                let reason = format!(
                    "its definition changed what the values are: version {before} makes {}, version {version} {}",
                    other.noun(),
                    roll_up.noun()
                );
                return Ok(Some(Err(reason)));
            }
            _ => found = Some((roll_up, version)),
        }
    }
    Ok(found.map(|(roll_up, _)| Ok(roll_up)))
}
