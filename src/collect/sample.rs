//! Sample definitions for the unit tests of this layer.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    metric::{DashboardPlace, Definition, Filter, Measure, MetricType, Rows, Source, TimeFormat},
    store::{Origin, StoredDefinition},
};

pub(crate) fn posts() -> Source {
    Source {
        schema: None,
        table: "posts".to_owned(),
        query: None,
        joined: Vec::new(),
        time_column: "created_at".to_owned(),
        time_format: TimeFormat::IsoUtc,
        time_zone: "UTC".to_owned(),
        deleted_column: None,
        actor_column: None,
        filter: Filter::default(),
    }
}

pub(crate) fn rows() -> Rows {
    Rows { source: "posts".to_owned(), filter: Filter::default() }
}

pub(crate) fn stored(category: &str, measure: Measure) -> StoredDefinition {
    let definition = Definition {
        metric_type: MetricType::Count,
        category: category.to_owned(),
        display_name: category.to_owned(),
        description: String::new(),
        unit: "count".to_owned(),
        format_pattern: "0,0".to_owned(),
        dashboard: DashboardPlace::default(),
        expected: None,
        backfill: crate::metric::BackfillMode::default(),
        time_zone: "UTC".to_owned(),
        measure,
        sources: BTreeMap::from([("posts".to_owned(), posts())]),
    };
    StoredDefinition {
        definition,
        version: 1,
        is_active: true,
        origin: Origin::File,
        created_at: Timestamp::UNIX_EPOCH,
    }
}

pub(crate) fn created(category: &str) -> StoredDefinition {
    stored(category, Measure::Created(rows()))
}

pub(crate) fn existing(category: &str) -> StoredDefinition {
    stored(category, Measure::Existing(rows()))
}
