//! Names of tables and columns: comparison without case and separators, splitting into words, and formatting for
//! messages.

use crate::{
    config::recognise::time_format::on_sqlite,
    platform::{Table, TableKind},
};

/// Returns the name in lower case and without separators, so that `created_at`, `createdAt` and `CreatedAt` are equal.
pub fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Splits a name in `snake_case` or `camelCase` into words in lower case.
pub fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for c in name.chars() {
        if !c.is_ascii_alphanumeric() || (c.is_ascii_uppercase() && after_lower) {
            words.push(String::new());
        }
        if c.is_ascii_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.push(c.to_ascii_lowercase());
        }
        after_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Returns the singular of an English noun by its ending: `posts` → `post`, `replies` → `reply`. This is sufficient for
/// the names of tables.
pub fn singular(plural: &str) -> String {
    match plural.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => plural.strip_suffix('s').unwrap_or(plural).to_owned(),
    }
}

/// Converts a name to a title: `posts_created` → `Posts created`.
pub fn title(category: &str) -> String {
    let mut title = category.replace('_', " ");
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    title
}

/// The table's name for messages, in backticks; with the schema if it is not on the search path.
pub fn table_name(table: &Table) -> String {
    if table.kind == TableKind::Query {
        return "(the query)".to_owned();
    }
    match table.visible || on_sqlite(table) {
        true => format!("`{}`", table.name),
        false => format!("`{}.{}`", table.schema, table.name),
    }
}

/// The hint with the statements by which the platform's owner lets the role read the table.
pub fn grant(table: &Table) -> String {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let (schema, name) = (quoted(&table.schema), quoted(&table.name));
    format!(
        "have its owner run, for the role of platform.url: GRANT USAGE ON SCHEMA {schema} TO <role>; GRANT SELECT ON {schema}.{name} TO <role>;"
    )
}
