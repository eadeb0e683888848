//! Warns of columns that look like flags and that no filter uses, so that a wrong total is noticed before it is
//! recorded.

use std::collections::BTreeMap;

use crate::{
    config::{
        file::declaration::Declarations,
        finding::Finding,
        recognise::{
            flags::{FlagColumn, unused_flags},
            names::table_name,
            sampled,
        },
    },
    metric::{Definition, Source},
    platform::{SampledTable, Schema, Statistics, Table},
};

/// Returns the tables that `definitions` read, as far as they can be read, with their columns that may be flags.
pub fn source_tables(schema: &Schema, definitions: &[Definition]) -> Vec<SampledTable> {
    let mut tables: Vec<_> = sources(definitions)
        .into_values()
        .filter_map(|source| table_of(source, schema))
        .filter(|table| table.readable)
        .map(|table| sampled(table, Vec::new()))
        .collect();
    tables.sort_by(|left, right| (&left.schema, &left.table).cmp(&(&right.schema, &right.table)));
    tables.dedup();
    tables
}

/// Returns a warning for each source whose table has flags that neither its filter nor that of a metric uses.
pub fn unfiltered_flags(
    declarations: &Declarations,
    place_of_preset: &str,
    schema: &Schema,
    definitions: &[Definition],
    statistics: &Statistics,
) -> Vec<Finding> {
    let warning = |(name, source): (&String, &Source)| {
        let declaration = declarations.sources.iter().find(|declaration| declaration.name == *name);
        let included = declaration.and_then(|declaration| declaration.include_flagged.as_ref());
        let table = table_of(source, schema)?;
        let flags: Vec<_> = unused_flags(table, source, statistics.of(table))
            .into_iter()
            .filter(FlagColumn::is_clear)
            .filter(|flag| included.is_none_or(|included| !included.value.contains(&flag.column.name)))
            .filter(|flag| {
                !definitions.iter().any(|definition| filters_by(definition, name, &flag.column.name))
            })
            .collect();
        if flags.is_empty() {
            return None;
        }
        let names: Vec<_> = flags.iter().map(|flag| format!("`{}`", flag.column.name)).collect();
        let message = format!(
            "all rows of {} count, regardless of {}, {} for rows that should not",
            table_name(table),
            names.join(" or "),
            if names.len() == 1 { "which looks like a flag" } else { "which look like flags" }
        );
        let section = match declaration {
            Some(_) => format!("to [sources.{name}]"),
            None => format!("in a section [sources.{name}]"),
        };
        let hint = how_to_decide(&flags, &section);
        let place = declaration.map_or(place_of_preset, |declaration| declaration.place.as_str());
        Some(Finding::warning(place, message).hint(hint))
    };
    sources(definitions).into_iter().filter_map(warning).collect()
}

fn how_to_decide(flags: &[FlagColumn], section: &str) -> String {
    let conditions: Vec<_> = flags.iter().filter_map(FlagColumn::condition).collect();
    format!(
        "to exclude them, add `filter = {{ {} }}` {section}; if they count, `include_flagged = {}`. Records are \
         never changed, so decide before the first backfill",
        conditions.join(", "),
        serde_json::json!(flags.iter().map(|flag| &flag.column.name).collect::<Vec<_>>())
    )
}

pub(super) fn sources(definitions: &[Definition]) -> BTreeMap<&String, &Source> {
    definitions.iter().flat_map(|definition| &definition.sources).collect()
}

/// The table of a source; there are no statistics about a query.
pub(super) fn table_of<'a>(source: &Source, schema: &'a Schema) -> Option<&'a Table> {
    schema.of(source).filter(|_| source.query.is_none())
}

/// Whether the filter of the metric itself uses the column of the source.
fn filters_by(definition: &Definition, source: &str, column: &str) -> bool {
    definition.measure.readings().iter().any(|reading| {
        reading
            .rows()
            .iter()
            .any(|rows| rows.source == source && rows.filter.columns().any(|name| name == column))
    })
}
