//! Reads a `[sources.…]` section.

use toml_edit::Item;

use crate::{
    config::{
        file::{declaration::SourceDeclaration, document::Section, filter_section::read_filter},
        finding::Located,
        suggest::nearest_zone,
    },
    metric::{Calendar, TimeFormat},
};

pub fn read_source(name: &str, section: Section) -> Option<SourceDeclaration> {
    // All keys are read before a missing one ends the function, so that all problems are found.
    let table = required(&section, "table", "the table or view to read");
    let time_column = required(&section, "time_column", "the column with the time when a row was created");
    let schema = section.text("schema");
    let formats = TimeFormat::ALL.map(|format| (format.name(), format));
    let time_format = section.choice("time_format", &formats);
    let time_zone = read_zone(&section);
    let deleted_column = section.text("deleted_column");
    let actor_column = section.text("actor_column");
    let tenant_column = section.text("tenant_column");
    let filter = read_filter(&section).map(|filter| filter.value).unwrap_or_default();
    let include_flagged = section.texts("include_flagged");
    let place = section.place();
    section.finish();
    Some(SourceDeclaration {
        name: name.to_owned(),
        place,
        schema,
        table: table?,
        time_column: time_column?,
        time_format,
        time_zone,
        deleted_column,
        actor_column,
        tenant_column,
        filter,
        include_flagged,
    })
}

fn required(section: &Section, key: &'static str, what: &str) -> Option<Located<String>> {
    if section.item(key).is_none_or(Item::is_none) {
        section.section_problem(format!("`{key}` is missing"), Some(format!("add `{key} = \"…\"`: {what}")));
        return None;
    }
    section.text(key)
}

fn read_zone(section: &Section) -> Option<String> {
    let zone = section.text("time_zone")?;
    match Calendar::new(&zone.value) {
        Ok(_) => Some(zone.value),
        Err(error) => {
            section.problem("time_zone", error, nearest_zone(&zone.value));
            None
        }
    }
}
