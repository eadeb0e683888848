//! Compares the objects of the schema with those that the migrations made. Their definitions are in
//! `expected_objects.txt`, which a test writes and compares with a store that was just migrated.

use std::collections::{BTreeMap, BTreeSet};

use super::{PostgresStore, connection::quoted};
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
        let mut findings = differences(&expected, &found, &quoted(&self.schema));
        for statement in
            [include_str!("select_wrong_privileges.sql"), include_str!("select_powerful_roles.sql")]
        {
            let select = sqlx::query_as::<_, (String, Option<String>)>(statement).fetch_all(pool);
            let found = select.await.map_err(|error| self.failed(error))?;
            findings.extend(found.into_iter().map(|(message, remedy)| IntegrityFinding { message, remedy }));
        }
        Ok(findings)
    }
}

/// The statements that attach the partition `table` again, as `ensure_partition` did. `None` when its name has no year.
pub(super) fn attach_again(schema: &str, table: &str) -> Option<String> {
    let year: i16 = table.strip_prefix("daily_metrics_")?.parse().ok()?;
    let next = year + 1;
    Some(format!(
        "ALTER TABLE {schema}.daily_metrics ATTACH PARTITION {schema}.{table} FOR VALUES FROM ('{year}-01-01') TO ('{next}-01-01'); \
         ALTER TABLE {schema}.{table} ENABLE ALWAYS TRIGGER refuse_update_or_delete"
    ))
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

fn differences(
    expected: &BTreeMap<&str, Objects<'_>>,
    found: &[FoundObject],
    schema: &str,
) -> Vec<IntegrityFinding> {
    let finding = |message| IntegrityFinding { message, remedy: None };
    let mut tables = BTreeMap::<(&str, &str), Objects<'_>>::new();
    for (table, alike, object, definition) in found {
        tables.entry((table, alike)).or_default().insert(object, definition);
    }
    let present: BTreeSet<_> = tables.keys().map(|(table, _)| *table).collect();
    // A partition is made when a record of its year is first written, so that none needs to be there.
    let needed = expected.keys().filter(|table| !table.ends_with("_YEAR"));
    let mut findings: Vec<_> = needed
        .filter(|table| !present.contains(*table))
        .map(|table| finding(format!("the table {table} is missing")))
        .collect();
    for ((table, alike), objects) in &tables {
        match expected.get(alike) {
            // Other differences of the table are found by the next check, after it was attached again.
            Some(_) if is_detached(alike, objects) => findings.push(IntegrityFinding {
                message: format!(
                    "the table {table} is detached from daily_metrics, so that its records are not read"
                ),
                remedy: attach_again(schema, table),
            }),
            Some(expected) => {
                findings
                    .extend(differences_of_table(table, alike, expected, objects).into_iter().map(finding));
            }
            None => findings.push(finding(format!(
                "the table {table} is a child of a table of Daymark, and Daymark did not make it"
            ))),
        }
    }
    findings
}

/// Whether a table with the name of a partition is no child of any table.
fn is_detached(alike: &str, objects: &Objects<'_>) -> bool {
    let is_child = |table: &&str| table.contains(", partition of its year") || table.contains(", child ");
    alike.ends_with("_YEAR") && !objects.get("table").is_some_and(is_child)
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
        Some(expected) => {
            Some(format!("{} was changed: {}", shown(object), of_table(&change(expected, definition))))
        }
        // A further index that is not unique changes only the speed of queries.
        None if object.starts_with("index ") => None,
        None => Some(format!("{} is not of Daymark's migrations: {}", shown(object), of_table(definition))),
    });
    missing.chain(other).collect()
}

/// The words in which two definitions differ: those between the first and the last difference.
fn change(expected: &str, found: &str) -> String {
    // The body of a function is a hash, so the words of the two bodies cannot be compared.
    let (expected, expected_body) = expected.rsplit_once(" body ").unwrap_or((expected, ""));
    let (found, found_body) = found.rsplit_once(" body ").unwrap_or((found, ""));
    let (expected, found): (Vec<_>, Vec<_>) = (expected.split(' ').collect(), found.split(' ').collect());
    let alike = |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| pairs.take_while(|(a, b)| a == b).count();
    let first = alike(&mut expected.iter().zip(&found));
    let last = alike(&mut expected.iter().skip(first).rev().zip(found.iter().skip(first).rev()));
    let between = |words: &[&str]| match words.get(first..words.len() - last) {
        None | Some([]) => "nothing".to_owned(),
        Some(words) => format!("`{}`", words.join(" ")),
    };
    match (between(&found), between(&expected)) {
        (found, expected) if found == expected => "it has another body".to_owned(),
        (found, expected) if found_body == expected_body => format!("it has {found} instead of {expected}"),
        (found, expected) => format!("it has {found} instead of {expected}, and another body"),
    }
}
