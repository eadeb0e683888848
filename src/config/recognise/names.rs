//! Names of tables and columns: compared whatever their case and separators, cut into words, and shown to people.

use crate::{config::recognise::time_format::on_sqlite, platform::Table};

/// A name without its case and its separators, so that `created_at`, `createdAt` and `CreatedAt` are one.
pub fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// The words of a name in `snake_case` or `camelCase`, in lower case.
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

/// `posts` → `post`, `replies` → `reply`; good enough for the names of tables.
pub fn singular(plural: &str) -> String {
    match plural.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => plural.strip_suffix('s').unwrap_or(plural).to_owned(),
    }
}

/// The table as a person would name it.
pub fn table_name(table: &Table) -> String {
    match table.visible || on_sqlite(table) {
        true => format!("`{}`", table.name),
        false => format!("`{}.{}`", table.schema, table.name),
    }
}

/// The statements with which the platform's owner lets the role read the table.
pub fn grant(table: &Table) -> String {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let (schema, name) = (quoted(&table.schema), quoted(&table.name));
    format!(
        "have its owner run, for the role of platform.url: GRANT USAGE ON SCHEMA {schema} TO <role>; GRANT SELECT ON {schema}.{name} TO <role>;"
    )
}
