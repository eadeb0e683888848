//! Recognises what the columns of a table mean: when a row was created, who made it, when it was soft-deleted; and
//! which tables are a platform's own at all.

mod column_synonyms;
pub mod system_tables;
pub mod time_format;

use crate::{
    config::recognise::{
        column_synonyms::{ACTORS, CREATED, CREATED_ENDS, DELETED, OTHER_MOMENTS},
        time_format::{contradiction, format_of, is_time_type, on_sqlite, possible_formats, to_detect},
    },
    metric::{Filter, Source, TimeFormat},
    platform::{Column, ColumnType, DetectedFormats, Table},
};

/// A table that can be a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recognised<'a> {
    pub table: &'a Table,
    pub source: Source,
    /// Why a column that seems to say when a row was deleted is not the source's.
    pub unusable_deletion: Option<String>,
}

/// A name without its case and its separators, so that `created_at`, `createdAt` and `CreatedAt` are one.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Makes a source of `table`, or says why that cannot be done. The rows of users are not acts of users.
pub fn recognise<'a>(
    table: &'a Table,
    detected: &DetectedFormats,
    with_actor: bool,
) -> Result<Recognised<'a>, String> {
    if !table.readable {
        return Err(format!("the platform's role may not read {}; {}", table_name(table), grant(table)));
    }
    let candidates = created_columns(table);
    let Some(first) = candidates.first() else {
        return Err(format!(
            "table {} has no column that is known to say when a row was created",
            table_name(table)
        ));
    };
    let told = candidates.iter().find_map(|column| Some((*column, format_of(table, column, detected).ok()?)));
    let Some((time_column, time_format)) = told else {
        return Err(format_of(table, first, detected).err().unwrap_or_default());
    };
    let deletions: Vec<_> = deleted_columns(table)
        .into_iter()
        .map(|column| match unlike(table, column, time_format, detected) {
            None => Ok(column),
            Some(reason) => Err(reason),
        })
        .collect();
    let deleted_column = deletions.iter().find_map(|column| column.as_ref().ok());
    let unusable_deletion = deletions.iter().find_map(|column| column.as_ref().err().cloned());
    let actor_column = with_actor.then(|| actor_column(table)).flatten();
    let source = Source {
        schema: (!table.visible).then(|| table.schema.clone()),
        table: table.name.clone(),
        time_column: time_column.name.clone(),
        time_format,
        time_zone: "UTC".to_owned(),
        deleted_column: deleted_column.map(|column| column.name.clone()),
        actor_column: actor_column.map(|column| column.name.clone()),
        filter: Filter::default(),
    };
    let unusable_deletion = unusable_deletion.filter(|_| source.deleted_column.is_none());
    Ok(Recognised { table, source, unusable_deletion })
}

/// Why `column` cannot say when a row was deleted while its time column is in `format`.
fn unlike(table: &Table, column: &Column, format: TimeFormat, detected: &DetectedFormats) -> Option<String> {
    if !possible_formats(table, column).contains(&format) {
        let (name, type_name) = (&column.name, &column.type_name);
        return Some(format!("`{}.{name}` is of type {type_name}, and not like the time column", table.name));
    }
    contradiction(table, column, format, detected).map(|contradiction| contradiction.message)
}

/// The columns of `table` whose values must tell their format before it can be recognised.
pub fn undecided_columns(table: &Table) -> Vec<(String, String)> {
    let columns = created_columns(table).into_iter().chain(deleted_columns(table));
    columns.filter(|_| table.readable).filter_map(|column| to_detect(table, column)).collect()
}

/// Columns that may say when a row was created, the likeliest first.
fn created_columns(table: &Table) -> Vec<&Column> {
    let able: Vec<_> =
        table.columns.iter().filter(|column| !possible_formats(table, column).is_empty()).collect();
    let last_word = plain(words(&table.name).last().map_or("", String::as_str));
    let singular = singular(&last_word);
    let of_table = |name: &str| {
        let rest = name.strip_prefix(singular.as_str()).or_else(|| name.strip_prefix(last_word.as_str()));
        !singular.is_empty() && rest.is_some_and(|rest| CREATED_ENDS.contains(&rest))
    };
    let known =
        CREATED.iter().flat_map(|name| able.iter().filter(move |column| plain(&column.name) == *name));
    let named_after_table = able.iter().filter(|column| of_table(&plain(&column.name)));
    let mut found: Vec<&Column> = Vec::new();
    for column in known.chain(named_after_table) {
        if !found.contains(column) {
            found.push(column);
        }
    }
    if found.is_empty() {
        found.extend(only_time_column(&able));
    }
    found
}

/// The one column of a time type that does not mean some other moment.
fn only_time_column<'a>(able: &[&'a Column]) -> Option<&'a Column> {
    let other = |column: &Column| {
        let name = plain(&column.name);
        OTHER_MOMENTS.iter().any(|part| name.contains(part))
    };
    let mut times = able.iter().filter(|column| is_time_type(column) && !other(column));
    times.next().filter(|_| times.next().is_none()).copied()
}

fn deleted_columns(table: &Table) -> Vec<&Column> {
    let named = |name: &&str| {
        let found = table.columns.iter().find(|column| plain(&column.name) == **name);
        found.filter(|column| may_live_on(column) && !possible_formats(table, column).is_empty())
    };
    DELETED.iter().filter_map(named).collect()
}

/// Whether a row without a time of deletion is possible: NULL, or 0 among numbers.
pub fn may_live_on(column: &Column) -> bool {
    column.nullable || matches!(column.column_type, ColumnType::Integer | ColumnType::Number)
}

fn actor_column(table: &Table) -> Option<&Column> {
    ACTORS.iter().find_map(|name| table.columns.iter().find(|column| plain(&column.name) == *name))
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

/// What the owner of the platform has to run before the table can be read.
pub fn grant(table: &Table) -> String {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let (schema, name) = (quoted(&table.schema), quoted(&table.name));
    format!(
        "have its owner run, for the role of platform.url: GRANT USAGE ON SCHEMA {schema} TO <role>; GRANT SELECT ON {schema}.{name} TO <role>;"
    )
}
