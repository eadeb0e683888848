//! Writes a definition as JSON that [`read_json_metric`](super::json_metric::read_json_metric) can read. Reading it
//! with the same sources gives the same definition.

use serde_json::{Map, Value as Json, json};

use crate::{
    config::file::declaration::{MeasureName, Returns},
    metric::{
        AddsUp, BackfillMode, Breakdown, CalendarPeriod, DashboardPlace, Definition, Filter, LabelAggregate,
        Measure, Quantile, QueryShape, Retention, Rows, Test, Window,
    },
};

type JsonObject = Map<String, Json>;

/// Returns the definition as the keys of a `[metrics.…]` section.
pub fn written_metric(definition: &Definition) -> JsonObject {
    let mut metric = formula(&definition.measure);
    metric.insert("type".to_owned(), definition.metric_type.name().into());
    let texts = [
        ("display_name", &definition.display_name),
        ("description", &definition.description),
        ("unit", &definition.unit),
        ("format_pattern", &definition.format_pattern),
    ];
    metric.extend(texts.map(|(key, text)| (key.to_owned(), text.as_str().into())));
    metric.extend(definition.expected.as_ref().map(|expected| ("expected".to_owned(), json!(expected))));
    if definition.dashboard != DashboardPlace::default() {
        metric.insert("dashboard".to_owned(), json!(definition.dashboard));
    }
    if definition.backfill != BackfillMode::default() {
        metric.insert("backfill".to_owned(), json!(definition.backfill));
    }
    metric
}

fn formula(measure: &Measure) -> JsonObject {
    let named = |name: MeasureName, keys: JsonObject| object([("measure", json!(name.name()))], keys);
    match measure {
        Measure::Created(rows) => named(MeasureName::Created, of_rows(rows)),
        Measure::Existing(rows) => named(MeasureName::Existing, of_rows(rows)),
        Measure::Distinct { rows, column, window } => {
            let window = match window {
                Window::Days(days) => ("window_days", json!(days)),
                Window::ToDate(CalendarPeriod::Month) => ("window", json!("month")),
                // On which day it begins is a setting.
                Window::ToDate(_) => ("window", json!("week")),
            };
            let keys = of_sources(rows, [window]);
            match column {
                None => named(MeasureName::DistinctActors, keys),
                Some(column) => named(MeasureName::Distinct, object([("column", json!(column))], keys)),
            }
        }
        Measure::Average { rows, column } => {
            named(MeasureName::Average, object([("column", json!(column))], of_rows(rows)))
        }
        Measure::Sum { rows, column, phase } => {
            let keys = [("column", json!(column)), ("of", json!(<&str>::from(*phase)))];
            named(MeasureName::Sum, object(keys, of_rows(rows)))
        }
        Measure::Minimum { rows, column } => {
            named(MeasureName::Minimum, object([("column", json!(column))], of_rows(rows)))
        }
        Measure::Maximum { rows, column } => {
            named(MeasureName::Maximum, object([("column", json!(column))], of_rows(rows)))
        }
        Measure::Quantile { rows, column, quantile, window_days } => {
            let keys =
                object([("column", json!(column)), ("window_days", json!(window_days))], of_rows(rows));
            match *quantile {
                Quantile::MEDIAN => named(MeasureName::Median, keys),
                quantile => named(MeasureName::Quantile, object([("quantile", json!(quantile))], keys)),
            }
        }
        Measure::Ratio { numerator, denominator } => {
            let [numerator, denominator] = [numerator, denominator].map(|measure| json!(formula(measure)));
            let keys = object([("numerator", numerator), ("denominator", denominator)], JsonObject::new());
            named(MeasureName::Ratio, keys)
        }
        Measure::Retention(retention) => named(MeasureName::Retention, of_retention(retention)),
        Measure::Growth { rows, state, window_days } => {
            let keys = [("state", json!(<&str>::from(*state))), ("window_days", json!(window_days))];
            named(MeasureName::Growth, of_sources(rows, keys))
        }
        Measure::Breakdown(Breakdown { rows, column, phase, top, aggregate }) => {
            let of: &str = phase.into();
            let keys = [("column", json!(column)), ("of", json!(of)), ("top", json!(top))];
            named(MeasureName::Breakdown, object(keys, object(of_aggregate(aggregate), of_rows(rows))))
        }
        Measure::Sql { query, shape, adds_up } => {
            let keys = object([("query", json!(query))], of_shape(*shape, *adds_up));
            named(MeasureName::Sql, keys)
        }
    }
}

fn of_aggregate(aggregate: &LabelAggregate) -> Option<(&'static str, Json)> {
    match aggregate {
        LabelAggregate::Rows => None,
        LabelAggregate::Sum(column) => Some(("sum", json!(column))),
        LabelAggregate::Average(column) => Some(("average", json!(column))),
        LabelAggregate::Distinct(column) => Some(("distinct", json!(column))),
    }
}

fn of_sources<'a>(rows: &[Rows], keys: impl IntoIterator<Item = (&'a str, Json)>) -> JsonObject {
    let sources: Vec<_> = rows.iter().map(|rows| rows.source.as_str()).collect();
    // All sources have the same filter, because only one can be declared.
    let filter = rows.first().map(|rows| of_filter(&rows.filter)).unwrap_or_default();
    object(std::iter::once(("sources", json!(sources))).chain(keys), filter)
}

fn of_retention(retention: &Retention) -> JsonObject {
    let Retention { rows, cohort, after_days, window_days } = retention;
    let keys = [("after_days", json!(after_days)), ("window_days", json!(window_days))];
    let cohort = cohort.as_ref().map(|cohort| match cohort.filter.is_empty() {
        true => ("cohort", json!(cohort.source)),
        false => ("cohort", Json::Object(of_rows(cohort))),
    });
    of_sources(rows, keys.into_iter().chain(cohort))
}

fn of_rows(rows: &Rows) -> JsonObject {
    object([("source", json!(rows.source))], of_filter(&rows.filter))
}

fn of_shape(shape: QueryShape, adds_up: AddsUp) -> JsonObject {
    let returns = |returns: Returns| ("returns", json!(<&str>::from(returns)));
    let adds_up = ("adds_up", json!(<&str>::from(adds_up)));
    match shape {
        QueryShape::Value => object([returns(Returns::Value), adds_up], JsonObject::new()),
        QueryShape::Average => object([returns(Returns::Average)], JsonObject::new()),
        QueryShape::Ratio => object([returns(Returns::Ratio)], JsonObject::new()),
        QueryShape::Labels { top, signed } => {
            // `never` is the default for a query of labels and is left out.
            let adds_up = (adds_up.1 != json!("never")).then_some(adds_up);
            let signed = signed.then(|| ("signed", json!(true)));
            object(
                [returns(Returns::Labels), ("top", json!(top))].into_iter().chain(signed),
                adds_up.map(|(key, value)| (key.to_owned(), value)).into_iter().collect(),
            )
        }
    }
}

/// Returns the filter as an object by column. A single `equals` or `in` is written as the bare value or list.
fn of_filter(filter: &Filter) -> JsonObject {
    let mut columns = JsonObject::new();
    for condition in &filter.0 {
        let tests = filter.0.iter().filter(|other| other.column == condition.column);
        let tests: Vec<_> = tests.map(|condition| &condition.test).collect();
        let written = match tests[..] {
            [Test::Equals(value)] => json!(value),
            [Test::In(values)] => json!(values),
            // Each condition is serialized as an object with its name as the key.
            _ => tests.iter().filter_map(|test| json!(test).as_object().cloned()).flatten().collect(),
        };
        columns.insert(condition.column.clone(), written);
    }
    if columns.is_empty() { columns } else { object([("filter", Json::Object(columns))], JsonObject::new()) }
}

fn object<'a>(first: impl IntoIterator<Item = (&'a str, Json)>, rest: JsonObject) -> JsonObject {
    first.into_iter().map(|(key, value)| (key.to_owned(), value)).chain(rest).collect()
}
