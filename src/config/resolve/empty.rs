//! Names sources whose tables have no rows, because their counts would be recorded as 0 for every day and never
//! changed.

use super::unfiltered::{sources, table_of};
use crate::{
    config::{file::declaration::Declarations, finding::Finding, recognise::names::table_name},
    metric::{Definition, Measure},
    platform::{Schema, Statistics, Table},
};

/// A warning for each source without rows because of which a metric would always be 0: one that reads no source with rows. On a
/// platform without any rows there are no warnings, because every table is empty then.
pub fn empty_sources(
    declarations: &Declarations,
    place_of_preset: &str,
    schema: &Schema,
    definitions: &[Definition],
    statistics: &Statistics,
) -> Vec<Finding> {
    let found = sources(definitions);
    let tables: Vec<_> =
        found.into_iter().filter_map(|(name, source)| Some((name, table_of(source, schema)?))).collect();
    if tables.iter().all(|(_, table)| statistics.is_empty(table)) {
        return Vec::new();
    }
    let is_empty = |name: &str| {
        let table = tables.iter().find(|(known, _)| *known == name).map(|(_, table)| table);
        table.is_some_and(|table| statistics.is_empty(table))
    };
    let has_zeros = |name: &str| {
        let mut measures = definitions.iter().map(|definition| &definition.measure);
        measures.any(|measure| measure.source_names().contains(&name) && is_always_zero(measure, is_empty))
    };
    let warning = |(name, table): &(&String, &Table)| {
        let declared = declarations.sources.iter().find(|declaration| declaration.name == **name);
        let message = format!(
            "{} has no rows, so every metric that reads it is recorded as 0, and a record is never changed",
            table_name(table)
        );
        let hint = match declared {
            Some(_) => "if the rows are in another table, name that one; otherwise set `active = false` in its metrics".to_owned(),
            None => format!(
                "if the rows are in another table, name that one in a section [sources.{name}]; otherwise set \
                 `active = false` in its metrics"
            ),
        };
        let place = declared.map_or(place_of_preset, |declaration| declaration.place.as_str());
        Finding::warning(place, message).hint(hint)
    };
    tables.iter().filter(|(name, _)| is_empty(name) && has_zeros(name)).map(warning).collect()
}

fn is_always_zero(measure: &Measure, is_empty: impl Fn(&str) -> bool + Copy) -> bool {
    match measure {
        Measure::Ratio { numerator, denominator } => {
            is_always_zero(numerator, is_empty) || is_always_zero(denominator, is_empty)
        }
        measure => {
            let sources = measure.source_names();
            !sources.is_empty() && sources.into_iter().all(is_empty)
        }
    }
}
