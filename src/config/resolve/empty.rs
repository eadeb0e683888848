//! Names sources whose tables have no rows, because their counts would be recorded as 0 for every day and never
//! changed.

use super::unfiltered::{sources, table_of};
use crate::{
    config::{
        file::declaration::Declarations, finding::Finding, presets::PLACE, recognise::names::table_name,
    },
    metric::Definition,
    platform::{Schema, Statistics, Table},
};

/// A warning for each source that `definitions` read and that has no rows. On a platform that is all empty, having none says
/// nothing about a table.
pub fn empty_sources(
    declarations: &Declarations,
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
    let warning = |(name, table): &(&String, &Table)| {
        let declared = declarations.sources.iter().find(|declaration| declaration.name == **name);
        let message = format!(
            "{} has no rows, so that every metric of it is recorded as 0, for good",
            table_name(table)
        );
        let hint = match declared {
            Some(_) => "if the rows are in another table, name that one; otherwise set `active = false` in its metrics".to_owned(),
            None => format!(
                "if the rows are in another table, name that one in a section [sources.{name}]; otherwise set \
                 `active = false` in its metrics"
            ),
        };
        let place = declared.map_or(PLACE, |declaration| declaration.place.as_str());
        Finding::warning(place, message).hint(hint)
    };
    tables.iter().filter(|(_, table)| statistics.is_empty(table)).map(warning).collect()
}
