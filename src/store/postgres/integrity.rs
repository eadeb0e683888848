//! Compares the objects of the schema with those that the migrations made. Their definitions are in
//! `expected_objects.txt`, which a test writes and compares with a store that was just migrated.

use std::collections::{BTreeMap, BTreeSet};

use super::PostgresStore;
use crate::store::{IntegrityFinding, StoreError};

/// A line for each object: its table (empty for functions), its kind and name, and its definition, with tabs between.
const EXPECTED: &str = include_str!("expected_objects.txt");

/// The definitions of the objects of a table, by kind and name.
type Objects<'a> = BTreeMap<&'a str, &'a str>;

/// A row of `select_objects.sql`: a table; the table whose objects are expected to be the same, which of a partition is
/// `daily_metrics_YEAR`; the kind and name of an object of the table; and its definition.
type FoundObject = (String, String, String, String);

impl PostgresStore {
    pub(super) async fn find_what_differs(&self) -> Result<Vec<IntegrityFinding>, StoreError> {
        let expected = expected();
        let names: Vec<_> = expected.keys().filter(|table| !table.is_empty()).copied().collect();
        let pool = self.pool().await?;
        let found: Vec<FoundObject> = sqlx::query_as(include_str!("select_objects.sql"))
            .bind(names)
            .fetch_all(pool)
            .await
            .map_err(|error| self.failed(error))?;
        let privileges: Vec<String> = sqlx::query_scalar(include_str!("select_wrong_privileges.sql"))
            .fetch_all(pool)
            .await
            .map_err(|error| self.failed(error))?;
        let messages = differences(&expected, &found).into_iter().chain(privileges);
        Ok(messages.map(|message| IntegrityFinding { message, remedy: None }).collect())
    }
}

fn expected() -> BTreeMap<&'static str, Objects<'static>> {
    let mut tables = BTreeMap::<_, Objects<'_>>::new();
    for line in EXPECTED.lines() {
        let mut fields = line.splitn(3, '\t');
        if let (Some(table), Some(object), Some(definition)) = (fields.next(), fields.next(), fields.next()) {
            tables.entry(table).or_default().insert(object, definition);
        }
    }
    tables
}

fn differences(expected: &BTreeMap<&str, Objects<'_>>, found: &[FoundObject]) -> Vec<String> {
    let mut tables = BTreeMap::<(&str, &str), Objects<'_>>::new();
    for (table, alike, object, definition) in found {
        tables.entry((table, alike)).or_default().insert(object, definition);
    }
    let present: BTreeSet<_> = tables.keys().map(|(table, _)| *table).collect();
    // A partition is made when a record of its year is first written, so that none needs to be there.
    let needed = expected.keys().filter(|table| !table.ends_with("_YEAR"));
    let mut messages: Vec<_> = needed
        .filter(|table| !present.contains(*table))
        .map(|table| format!("the table {table} is missing"))
        .collect();
    for ((table, alike), objects) in &tables {
        match expected.get(alike) {
            Some(expected) => messages.extend(differences_of_table(table, alike, expected, objects)),
            None => messages.push(format!(
                "the table {table} is a child of a table of Daymark, and Daymark did not make it"
            )),
        }
    }
    messages
}

fn differences_of_table(
    table: &str,
    alike: &str,
    expected: &Objects<'_>,
    found: &Objects<'_>,
) -> Vec<String> {
    let of_table = |text: &str| if alike == table { text.to_owned() } else { text.replace(alike, table) };
    let shown = |object: &str| match object {
        "table" => format!("the table {table}"),
        _ if table.is_empty() => format!("the {object}"),
        _ => format!("the {} on {table}", of_table(object)),
    };
    let missing = expected.keys().filter(|object| !found.contains_key(*object));
    let missing = missing.map(|object| format!("{} is missing", shown(object)));
    let other = found.iter().filter_map(|(object, definition)| match expected.get(object) {
        Some(expected) if expected == definition => None,
        Some(_) => Some(format!("{} was changed: it is now {}", shown(object), of_table(definition))),
        // A further index that is not unique changes only the speed of queries.
        None if object.starts_with("index ") => None,
        None => Some(format!("{} is not of Daymark's migrations: {}", shown(object), of_table(definition))),
    });
    missing.chain(other).collect()
}
