//! Reads a `[sources.…]` section.

use toml_edit::Item;

use crate::{
    config::{
        file::{declaration::SourceDeclaration, document::Section, filter_section::read_filter},
        finding::Located,
        suggest::{named_variants, nearest_zone},
    },
    metric::{Calendar, uses_the_day},
};

pub fn read_source(name: &str, section: Section) -> Option<SourceDeclaration> {
    // All keys are read before a missing one ends the function, so that all problems are found.
    let query = read_query(&section);
    let table = match &query {
        // The query is read instead of a table.
        Some(query) => Some(Located::new(name.to_owned(), query.place.clone())),
        None if section.has("query") => None,
        None => required(&section, "table", "the table or view to read (or `query = \"SELECT …\"`)"),
    };
    let time_column = required(&section, "time_column", "the column with the time when a row was created");
    let schema = section.text("schema");
    let time_format = section.choice("time_format", &named_variants());
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
        query,
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

/// The query, without the semicolon at its end.
fn read_query(section: &Section) -> Option<Located<String>> {
    let query = section.text("query")?;
    let mut is_sound = true;
    for key in ["table", "schema"].into_iter().filter(|key| section.has(key)) {
        // It is known, although it is of no use here.
        section.text(key);
        section.problem(key, format!("a source has `query` or `{key}`, not both"), None);
        is_sound = false;
    }
    if uses_the_day(&query.value) {
        let hint = "leave the day out: Daymark reads the rows whose `time_column` is in the day";
        let message = "the query of a source has no placeholders";
        section.problem("query", message, Some(hint.to_owned()));
        is_sound = false;
    }
    let text = query.value.trim().trim_end_matches(';').trim_end().to_owned();
    if text.is_empty() {
        section.problem("query", "the query is empty", Some("write one SELECT".to_owned()));
        is_sound = false;
    }
    is_sound.then(|| Located::new(text, query.place))
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
