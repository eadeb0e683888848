//! Drift: the values that recorded days have when they are counted again from the platform's present rows, beside those in
//! force, which are the recorded ones unless they were corrected. Rows that were deleted since make them smaller, rows that arrived late with times in the past make
//! them larger. Nothing is written: the records stay as they are.

use jiff::{ToSpan, civil::Date};

use super::{CancellationToken, CollectError, Context, Failure, LeftOut, recount::recount, selection};
use crate::{
    metric::{DayBounds, Decimal, MetricKey},
    store::{RecordedDay, SeriesDays, SeriesQuestion, StoredDefinition},
};

/// How many days are compared where only the last one is given, or none.
const DEFAULT_DAYS: i64 = 30;
/// How many values, days multiplied by metrics, are compared at most where nothing else is said. They are held in memory,
/// with some hundred bytes each.
const MAX_VALUES: usize = 200_000;

/// Which records are compared.
#[derive(Debug, Clone)]
pub struct DriftRequest {
    /// By default 29 days before `to`.
    pub from: Option<Date>,
    /// By default the last finished day.
    pub to: Option<Date>,
    /// The categories of the metrics; empty for all active ones.
    pub only: Vec<String>,
    /// The most values, days multiplied by metrics; a larger request is refused.
    pub max_values: usize,
}

impl Default for DriftRequest {
    fn default() -> Self {
        Self { from: None, to: None, only: Vec::new(), max_values: MAX_VALUES }
    }
}

/// The records of a range of days beside the platform's present rows.
#[derive(Debug, Clone)]
pub struct DriftReport {
    pub from: Date,
    pub to: Date,
    /// In the order of their categories.
    pub metrics: Vec<MetricDrift>,
    /// Metrics that the platform cannot answer at present.
    pub failed: Vec<Failure>,
    /// Metrics whose past values cannot be counted again.
    pub left_out: Vec<LeftOut>,
}

/// The compared days of one metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricDrift {
    pub key: MetricKey,
    /// By date, whether the two values differ or not. A day without a record is not compared.
    pub days: Vec<ComparedDay>,
    /// The number of recorded days that were not compared, because another version of the definition made the record,
    /// or because the present rows have no valid value for the day.
    pub not_compared: usize,
}

/// The values of a day, and the value that the platform's present rows give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparedDay {
    pub date: Date,
    /// The value of the record.
    pub recorded: Decimal,
    /// The value in force: that of the record, or of its correction.
    pub in_force: Decimal,
    pub recounted: Decimal,
}

impl ComparedDay {
    /// The recounted value less the one in force.
    pub fn difference(&self) -> Decimal {
        &self.recounted - &self.in_force
    }
}

impl MetricDrift {
    /// The days whose values differ.
    pub fn changed(&self) -> impl Iterator<Item = &ComparedDay> {
        self.days.iter().filter(|day| !day.difference().is_zero())
    }

    /// The day with the largest difference, the first of several equal ones; `None` when no day differs.
    pub fn largest(&self) -> Option<&ComparedDay> {
        let zero = Decimal::zero();
        let size = |day: &ComparedDay| {
            let difference = day.difference();
            if difference < zero { &zero - &difference } else { difference }
        };
        self.changed().reduce(|largest, day| if size(day) > size(largest) { day } else { largest })
    }
}

/// Counts the recorded days of a range again and compares them with the records.
///
/// # Errors
/// When the range is empty, not finished or larger than the request allows; when no metric is defined or one is unknown;
/// when the platform lags or cannot be read, the store cannot be read, the deadline of runs passes, or the call is
/// cancelled.
pub async fn drift(
    context: &Context,
    request: &DriftRequest,
    cancel: &CancellationToken,
) -> Result<DriftReport, CollectError> {
    let (from, to) = range(context, request)?;
    let metrics = selection::select(context, &request.only).await?;
    selection::require_time_zone(context, &metrics)?;
    let (mut metrics, left_out): (Vec<_>, Vec<_>) =
        metrics.into_iter().partition(|metric| metric.definition.measure.reconstructible());
    metrics.sort_by(|one, other| one.definition.category.cmp(&other.definition.category));
    let left_out =
        left_out.iter().map(|metric| LeftOut::not_reconstructible(metric.definition.key())).collect();
    let recorded = recorded(context, &metrics, from, to, request.max_values).await?;
    let days = context.tenant.calendar.days(from, to);
    let definitions: Vec<_> = metrics.iter().map(|metric| &metric.definition).collect();
    let recounted =
        recount(context, &definitions, &days, to, cancel, |observation| observation.value).await?;

    let mut report = DriftReport { from, to, metrics: Vec::new(), failed: Vec::new(), left_out };
    for ((metric, recorded), recounted) in metrics.iter().zip(recorded).zip(recounted) {
        match recounted {
            Ok(values) => report.metrics.push(compare(metric, &recorded.recorded, &days, &values)),
            Err(failure) => report.failed.push(*failure),
        }
    }
    Ok(report)
}

fn range(context: &Context, request: &DriftRequest) -> Result<(Date, Date), CollectError> {
    let to = request.to.unwrap_or_else(|| context.last_finished());
    let from = request.from.unwrap_or_else(|| to.saturating_sub((DEFAULT_DAYS - 1).days()));
    if from > to {
        return Err(CollectError::EmptyRange { from, to });
    }
    context.require_recordable(to)?;
    context.require_recorded_era(from)?;
    Ok((from, to))
}

/// The records of each metric, in the order of `metrics`.
async fn recorded(
    context: &Context,
    metrics: &[StoredDefinition],
    from: Date,
    to: Date,
    limit: usize,
) -> Result<Vec<SeriesDays>, CollectError> {
    let keys = metrics.iter().map(|metric| metric.definition.key());
    let question = SeriesQuestion::of_values(keys, from, to);
    let values = question.size();
    if values > limit {
        return Err(CollectError::TooManyValues { values, limit });
    }
    Ok(context.tenant.store.series_days(&question).await?)
}

fn compare(
    metric: &StoredDefinition,
    recorded: &[RecordedDay],
    days: &[DayBounds],
    values: &[Option<Decimal>],
) -> MetricDrift {
    let compared = |record: &RecordedDay| {
        let day = days.binary_search_by_key(&record.date, |day| day.date).ok()?;
        let recounted = values.get(day)?.clone()?;
        let is_same_version = record.definition_version == metric.version;
        let recorded = record.correction.as_ref().map_or(&record.value, |correction| &correction.recorded);
        is_same_version.then(|| ComparedDay {
            date: record.date,
            recorded: recorded.clone(),
            in_force: record.value.clone(),
            recounted,
        })
    };
    let days: Vec<_> = recorded.iter().filter_map(compared).collect();
    MetricDrift { key: metric.definition.key(), not_compared: recorded.len() - days.len(), days }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::{
        collect::sample,
        metric::{Calendar, Provenance},
    };

    fn recorded(day: i8, value: i64, version: i32) -> RecordedDay {
        RecordedDay {
            date: date(2025, 1, day),
            value: value.into(),
            provenance: Provenance::Observed,
            definition_version: version,
            metadata: None,
            judgement: None,
            correction: None,
        }
    }

    #[test]
    fn only_days_of_the_present_version_with_a_present_value_are_compared() {
        let metric = sample::created("posts_created");
        let days = Calendar::utc().days(date(2025, 1, 1), date(2025, 1, 4));
        let records = [recorded(1, 5, 1), recorded(2, 5, 2), recorded(3, 5, 1), recorded(4, 5, 1)];
        let values = [Some(3.into()), Some(3.into()), None, Some(5.into())];
        let drift = compare(&metric, &records, &days, &values);
        let compared: Vec<_> =
            drift.days.iter().map(|day| (day.date.day(), day.difference().to_string())).collect();
        assert_eq!(compared, [(1, "-2".to_owned()), (4, "0".to_owned())]);
        assert_eq!((drift.changed().count(), drift.not_compared), (1, 2));
    }

    #[test]
    fn the_largest_difference_may_be_in_either_direction() {
        let day = |day: i8, recorded: i64, recounted: i64| ComparedDay {
            date: date(2025, 1, day),
            recorded: recorded.into(),
            in_force: recorded.into(),
            recounted: recounted.into(),
        };
        let of = |days: Vec<ComparedDay>| {
            let drift = MetricDrift { key: sample::created("posts").definition.key(), days, not_compared: 0 };
            drift.largest().map(|day| day.date.day())
        };
        assert_eq!(of(vec![day(1, 5, 5)]), None);
        assert_eq!(of(vec![day(1, 5, 7), day(2, 9, 4), day(3, 0, 5)]), Some(2));
    }
}
