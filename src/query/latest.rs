//! The latest value of each metric, with its own date, and how it changed.

use jiff::{Timestamp, civil::Date};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Catalogue, PointProvenance, QueryError, parameter_parser::ParameterParser, response::metric_type,
};
use crate::{
    collect::Context,
    metric::{Decimal, MetricKey, MetricType},
    store::Latest,
};

#[derive(Debug, Clone)]
pub struct LatestQuery {
    /// By category and type.
    pub metrics: Vec<MetricKey>,
}

impl LatestQuery {
    /// Without `categories`, all active metrics.
    ///
    /// # Errors
    /// [`QueryError::InvalidParameters`] with every problem.
    pub fn parse(categories: &[String], types: &[String], catalogue: &Catalogue) -> Result<Self, QueryError> {
        let mut parser = ParameterParser::default();
        let metrics = parser.metrics(categories, types, catalogue);
        parser.finish(Self { metrics })
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LatestResponse {
    /// The IANA time zone whose days these are.
    pub time_zone: String,
    /// The last day that is over and may be recorded; a value of an earlier day is not of today's state.
    #[schema(value_type = String, format = Date)]
    pub last_finished: Date,
    /// Every metric asked, by category; those without any record have a null value.
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
    pub value: Option<Decimal>,
    /// The day that the value is of.
    #[schema(value_type = Option<String>, format = Date)]
    pub metric_date: Option<Date>,
    pub provenance: Option<PointProvenance>,
    /// When the platform was read.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub collection_timestamp: Option<Timestamp>,
    pub collection_id: Option<Uuid>,
    #[schema(value_type = Option<HashMap<String, Value>>)]
    pub metadata: Option<Map<String, Value>>,
    /// Against 1 day, 7 days and a calendar month before `metric_date`; null where that day is not recorded.
    pub change_from_day_before: Option<Change>,
    pub change_from_week_before: Option<Change>,
    pub change_from_month_before: Option<Change>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Change {
    /// The value then.
    pub value: Decimal,
    pub absolute: Decimal,
    /// Of the value then, to 12 places; null where that is zero.
    pub percent: Option<Decimal>,
}

impl Change {
    fn between(now: &Decimal, then: &Decimal) -> Self {
        let absolute = now - then;
        // Of its size: from -2 to -1 is up.
        let size = if *then < Decimal::zero() { &Decimal::zero() - then } else { then.clone() };
        let percent = (&absolute * &Decimal::from(100)).checked_div(&size);
        Self { value: then.clone(), absolute, percent }
    }
}

/// # Errors
/// When the store fails.
pub async fn latest(
    context: &Context,
    catalogue: &Catalogue,
    query: &LatestQuery,
) -> Result<LatestResponse, QueryError> {
    let rows = context.tenant.store.latest(&query.metrics).await?;
    let of = |key: &MetricKey| rows.iter().find(|latest| latest.record.key == *key);
    let metrics = query.metrics.iter().filter_map(|key| value(catalogue, key, of(key)));
    Ok(LatestResponse {
        time_zone: context.tenant.calendar.name().to_owned(),
        last_finished: context.last_finished(),
        metrics: metrics.collect(),
    })
}

fn value(catalogue: &Catalogue, key: &MetricKey, latest: Option<&Latest>) -> Option<LatestValue> {
    let definition = catalogue.get(key)?.definition();
    let record = latest.map(|latest| &latest.record);
    let change = |before: fn(&Latest) -> &Option<Decimal>| {
        let latest = latest?;
        before(latest).as_ref().map(|then| Change::between(&latest.record.value, then))
    };
    Some(LatestValue {
        metric_type: key.metric_type,
        metric_category: key.category.clone(),
        display_name: definition.display_name.clone(),
        unit: definition.unit.clone(),
        format_pattern: definition.format_pattern.clone(),
        value: record.map(|record| record.value.clone()),
        metric_date: record.map(|record| record.metric_date),
        provenance: record.and_then(|record| PointProvenance::of([record.provenance])),
        collection_timestamp: record.map(|record| record.collection_timestamp),
        collection_id: record.map(|record| record.collection_id),
        metadata: record.map(|record| record.metadata.clone()),
        change_from_day_before: change(|latest| &latest.day_before),
        change_from_week_before: change(|latest| &latest.week_before),
        change_from_month_before: change(|latest| &latest.month_before),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_exact_and_has_no_percentage_of_nothing() {
        let change = |now: &str, then: &str| {
            let change = Change::between(&now.parse().unwrap(), &then.parse().unwrap());
            (change.absolute.to_string(), change.percent.map(|percent| percent.to_string()))
        };
        assert_eq!(change("110", "100"), ("10".to_owned(), Some("10".to_owned())));
        assert_eq!(change("0.1", "0.3"), ("-0.2".to_owned(), Some("-66.666666666667".to_owned())));
        assert_eq!(change("5", "0"), ("5".to_owned(), None));
        assert_eq!(change("-1", "-2"), ("1".to_owned(), Some("50".to_owned())));
        assert_eq!(
            change("9007199254740993", "1"),
            ("9007199254740992".to_owned(), Some("900719925474099200".to_owned()))
        );
    }
}
