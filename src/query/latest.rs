//! The latest value of each metric, with its own date, and how it changed.

use std::collections::HashMap;

use jiff::{Timestamp, civil::Date};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    catalogue::Catalogue,
    derived_latest::{LatestDerived, latest_derived},
    error::QueryError,
    interval::Interval,
    judgement::ValueJudgement,
    metadata::MetadataText,
    parameter_parser::ParameterParser,
    point::PointProvenance,
    response::{RESPONSE_BYTES, metric_type},
    series::PARSED,
    values::{self, CHUNK_BYTES, Wanted},
};
use crate::{
    collect::Context,
    metric::{Decimal, Definition, DerivedMetric, MetricKey, MetricType},
    store::{Latest, ValuesAsked},
};

#[derive(Debug, Clone)]
pub struct LatestQuery {
    /// By category and type.
    pub metrics: Vec<MetricKey>,
    /// See [`super::View`].
    pub values: ValuesAsked,
}

impl LatestQuery {
    /// Without `categories`, all active metrics.
    ///
    /// # Errors
    /// [`QueryError::InvalidParameters`] with every problem.
    pub fn parse(categories: &[String], types: &[String], catalogue: &Catalogue) -> Result<Self, QueryError> {
        let mut parser = ParameterParser::default();
        let metrics = parser.metrics(categories, types, catalogue);
        parser.finish(Self { metrics, values: ValuesAsked::default() })
    }

    /// The same query of other values.
    pub fn of(self, values: ValuesAsked) -> Self {
        Self { values, ..self }
    }

    /// About how many bytes of memory making the response takes.
    pub fn memory_bytes(&self, catalogue: &Catalogue) -> usize {
        let known = self.metrics.iter().filter_map(|key| catalogue.get(key));
        let records: usize =
            known.map(|metric| Wanted::new(metric, Interval::Day, true, true).record_bytes()).sum();
        2 * records.min(RESPONSE_BYTES) + PARSED * records.min(CHUNK_BYTES)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LatestResponse {
    /// The IANA time zone whose days these are.
    pub time_zone: String,
    /// The last day that is over and may be recorded; a value of an earlier day is not of today's state.
    #[schema(value_type = String, format = Date)]
    pub last_finished: Date,
    /// Every requested metric, ordered by category; metrics without records have a null value.
    pub metrics: Vec<LatestValue>,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LatestValue {
    #[schema(schema_with = metric_type)]
    pub metric_type: MetricType,
    pub metric_category: String,
    pub display_name: String,
    pub unit: String,
    pub format_pattern: String,
    /// Null if the metric has no record, or if its record is of no rows (`no_data`).
    pub value: Option<Decimal>,
    /// Present and true if the newest record is an average of no rows or a percentage of a total of 0.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub no_data: bool,
    /// The day of the value.
    #[schema(value_type = Option<String>, format = Date)]
    pub metric_date: Option<Date>,
    pub provenance: Option<PointProvenance>,
    /// Only of a corrected value: the value of the record, and the number of the revision in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_value: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<i32>,
    /// When the platform was read.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub collection_timestamp: Option<Timestamp>,
    pub collection_id: Option<Uuid>,
    #[schema(value_type = Option<HashMap<String, Value>>)]
    pub metadata: Option<MetadataText>,
    /// Null while the value is not judged, and with `as_of`.
    pub judgement: Option<ValueJudgement>,
    /// Present and true where the metadata would have made the response larger than 8 MiB: ask for fewer metrics.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub metadata_left_out: bool,
    /// Against 1 day, 7 days and a calendar month before `metric_date`; null where that day or this one has no value.
    pub change_from_day_before: Option<Change>,
    pub change_from_week_before: Option<Change>,
    pub change_from_month_before: Option<Change>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Change {
    /// The value of the earlier day.
    pub value: Decimal,
    pub absolute: Decimal,
    /// The change in percent of the absolute value of the earlier day, rounded to 12 decimal places; null where that value is
    /// zero, or so small that the percentage has more than 38 digits before the point.
    pub percent: Option<Decimal>,
}

impl Change {
    fn between(now: &Decimal, then: &Decimal) -> Self {
        let absolute = now - then;
        // The change is relative to the absolute value, so that a rise from -2 to -1 is positive.
        let size = if *then < Decimal::zero() { &Decimal::zero() - then } else { then.clone() };
        let percent = (&absolute * &Decimal::from(100)).checked_div(&size);
        let percent = percent.filter(Decimal::is_recordable);
        Self { value: then.clone(), absolute, percent }
    }
}

/// The newest values. Metadata stand in the response up to 8 MiB, which breakdowns of many labels may reach; the
/// values after that carry none and say so.
///
/// # Errors
/// When the store fails.
pub async fn latest(
    context: &Context,
    catalogue: &Catalogue,
    query: &LatestQuery,
) -> Result<LatestResponse, QueryError> {
    let (mut bytes, mut found) = (0, HashMap::new());
    values::latest(context, catalogue, &query.metrics, query.values, |mut latest| {
        // Judgements are of now.
        latest.judgement.take_if(|_| query.values.as_of.is_some());
        let key = latest.record.key.clone();
        found.insert(key, NewestRecord::of(latest, &mut bytes));
    })
    .await?;
    let mut metrics = Vec::new();
    for key in &query.metrics {
        if let Some(metric) = catalogue.get(key) {
            metrics.push(value(key, metric.definition(), found.remove(key)));
        } else if let Some(metric) = catalogue.derived_metric(key) {
            let latest = latest_derived(context, catalogue, metric, query.values).await?;
            metrics.push(derived_value(metric, latest));
        }
    }
    Ok(LatestResponse {
        time_zone: context.tenant.calendar.name().to_owned(),
        last_finished: context.last_finished(),
        metrics,
    })
}

fn derived_value(metric: &DerivedMetric, latest: Option<LatestDerived>) -> LatestValue {
    let value = latest.as_ref().and_then(|latest| latest.value.clone());
    let change = |before: fn(&LatestDerived) -> &Option<Decimal>| {
        let then = latest.as_ref().and_then(|latest| before(latest).as_ref());
        value.as_ref().zip(then).map(|(now, then)| Change::between(now, then))
    };
    LatestValue {
        metric_type: metric.key.metric_type,
        metric_category: metric.key.category.clone(),
        display_name: metric.display_name.clone(),
        unit: metric.unit.clone(),
        format_pattern: metric.format_pattern.clone(),
        no_data: latest.as_ref().is_some_and(|latest| latest.value.is_none()),
        metric_date: latest.as_ref().map(|latest| latest.date),
        provenance: None,
        collection_timestamp: None,
        collection_id: None,
        recorded_value: None,
        revision: None,
        metadata: None,
        judgement: None,
        metadata_left_out: false,
        change_from_day_before: change(|latest| &latest.day_before),
        change_from_week_before: change(|latest| &latest.week_before),
        change_from_month_before: change(|latest| &latest.month_before),
        value,
    }
}

/// The parts of a metric's newest record that are shown.
struct NewestRecord {
    latest: Latest,
    /// `None` where it would have made the response too large.
    metadata: Option<MetadataText>,
    has_value: bool,
}

impl NewestRecord {
    /// `bytes` is how many bytes the metadata before it take.
    fn of(mut latest: Latest, bytes: &mut usize) -> Self {
        let has_value = latest.record.has_value();
        let metadata = MetadataText::of(std::mem::take(&mut latest.record.metadata));
        *bytes += metadata.as_str().len();
        Self { latest, metadata: (*bytes <= RESPONSE_BYTES).then_some(metadata), has_value }
    }

    fn change(&self, then: Option<&Decimal>) -> Option<Change> {
        then.filter(|_| self.has_value).map(|then| Change::between(&self.latest.record.value, then))
    }
}

fn value(key: &MetricKey, definition: &Definition, newest: Option<NewestRecord>) -> LatestValue {
    let record = newest.as_ref().map(|newest| &newest.latest.record);
    let correction = newest.as_ref().and_then(|newest| newest.latest.correction.as_ref());
    let change = |before: fn(&Latest) -> &Option<Decimal>| {
        newest.as_ref().and_then(|newest| newest.change(before(&newest.latest).as_ref()))
    };
    LatestValue {
        metric_type: key.metric_type,
        metric_category: key.category.clone(),
        display_name: definition.display_name.clone(),
        unit: definition.unit.clone(),
        format_pattern: definition.format_pattern.clone(),
        value: newest
            .as_ref()
            .filter(|newest| newest.has_value)
            .map(|newest| newest.latest.record.value.clone()),
        no_data: newest.as_ref().is_some_and(|newest| !newest.has_value),
        metric_date: record.map(|record| record.metric_date),
        provenance: record.map(|record| record.provenance.into()),
        recorded_value: correction.map(|correction| correction.recorded.clone()),
        revision: correction.map(|correction| correction.revision),
        collection_timestamp: record.map(|record| record.collection_timestamp),
        collection_id: record.map(|record| record.collection_id),
        change_from_day_before: change(|latest| &latest.day_before),
        change_from_week_before: change(|latest| &latest.week_before),
        change_from_month_before: change(|latest| &latest.month_before),
        judgement: newest
            .as_ref()
            .and_then(|newest| newest.latest.judgement.clone())
            .map(ValueJudgement::from),
        metadata_left_out: newest.as_ref().is_some_and(|newest| newest.metadata.is_none()),
        metadata: newest.and_then(|newest| newest.metadata),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_exact_and_has_no_percentage_of_a_zero() {
        let change = |now: &str, then: &str| {
            let change = Change::between(&now.parse().unwrap(), &then.parse().unwrap());
            (change.absolute.to_string(), change.percent.map(|percent| percent.to_string()))
        };
        assert_eq!(change("110", "100"), ("10".to_owned(), Some("10".to_owned())));
        assert_eq!(change("0.1", "0.3"), ("-0.2".to_owned(), Some("-66.666666666667".to_owned())));
        assert_eq!(change("5", "0"), ("5".to_owned(), None));
        assert_eq!(change("1e37", "1e-30").1, None, "it has 70 digits");
        assert_eq!(change("-1", "-2"), ("1".to_owned(), Some("50".to_owned())));
        assert_eq!(
            change("9007199254740993", "1"),
            ("9007199254740992".to_owned(), Some("900719925474099200".to_owned()))
        );
    }
}
