//! The sources that the preset knows, and the choice of a platform's table for each of them.

use crate::{
    config::recognise::{
        Recognised,
        names::{singular, table_name, words},
        recognise,
        system_tables::{application_tables, supabase_users},
        users::{Pointers, most_referenced_people},
    },
    platform::{DetectedFormats, Schema, Statistics, Table, TableKind},
};

/// A source that the preset knows.
struct KnownSource {
    name: &'static str,
    /// The possible names of its table, in the plural; the most likely first.
    tables: &'static [&'static str],
    /// The last words of longer names that are sufficient, as in `blog_posts`.
    last_words: &'static [&'static str],
}

const USERS: &str = "users";

/// Table names that are accepted only if the table has an actor column: a `statuses` table may also list the states of
/// tickets.
const NEEDS_ACTOR: [&str; 1] = ["statuses"];

const KNOWN_SOURCES: [KnownSource; 7] = [
    KnownSource {
        name: USERS,
        tables: &["profiles", "users", "accounts", "members", "persons", "people"],
        last_words: &["profiles", "users"],
    },
    KnownSource {
        name: "posts",
        tables: &["posts", "articles", "threads", "topics", "statuses"],
        last_words: &["posts"],
    },
    KnownSource { name: "comments", tables: &["comments", "replies"], last_words: &["comments"] },
    KnownSource { name: "tracks", tables: &["tracks", "songs"], last_words: &["tracks", "songs"] },
    KnownSource { name: "plays", tables: &["plays", "listens"], last_words: &["plays", "listens"] },
    KnownSource {
        name: "likes",
        tables: &["likes", "reactions", "favorites", "favourites"],
        last_words: &["likes", "reactions", "favorites", "favourites"],
    },
    KnownSource {
        name: "follows",
        tables: &["follows", "followers", "subscriptions"],
        last_words: &["follows", "followers"],
    },
];
/// First words of the names of tables whose rows are no longer, or not yet, part of the platform.
const SHADOWS: &[&str] =
    &["deleted", "archived", "archive", "old", "tmp", "temp", "backup", "draft", "hidden"];

/// Returns the names of the sources that the preset knows.
pub fn known_sources() -> impl Iterator<Item = &'static str> {
    KNOWN_SOURCES.iter().map(|known| known.name)
}

/// Returns why the preset does not choose `table` by itself, if its rows may be those of an earlier time.
fn may_be_old(table: &Table) -> Option<String> {
    let what = match table.kind {
        TableKind::Current | TableKind::Query => return None,
        TableKind::MaterializedView => {
            "is a materialized view, whose last refresh may be earlier than the day's end"
        }
        TableKind::ForeignTable => "is a foreign table, whose server may lag",
    };
    Some(format!("{} {what}; declare it as a source to read it all the same", table_name(table)))
}

/// Returns the table of the preset's source `name`, or the reason why there is none. With `statistics`, a table without
/// rows is chosen only if no other fits, and the table of users is the one of people that most tables reference.
pub fn recognise_known<'a>(
    name: &str,
    schema: &'a Schema,
    detected: &DetectedFormats,
    statistics: Option<&Statistics>,
) -> Result<Recognised<'a>, String> {
    let Some(known) = KNOWN_SOURCES.iter().find(|known| known.name == name) else {
        return Err(format!("`{name}` is not a source of the preset"));
    };
    let of_table = |table| recognise_as(name, table, detected, statistics);
    let is_filled =
        |found: &Recognised| statistics.is_none_or(|statistics| !statistics.is_empty(found.table));
    let people = |pointers, tables: &[&'a Table]| {
        let statistics = statistics.filter(|_| name == USERS)?;
        of_table(most_referenced_people(tables, pointers, statistics)?).ok()
    };
    let mut tables = application_tables(schema);
    if let Some(users) = people(Pointers::ForeignKeys, &tables) {
        return Ok(users);
    }
    let (named, reasons): (Vec<_>, Vec<_>) =
        tables_named(known.tables, schema).into_iter().map(of_table).partition(Result::is_ok);
    let named: Vec<_> = named.into_iter().flatten().collect();
    let similar = tables_ending(known.last_words, schema).into_iter().map(of_table);
    let (similar, empty): (Vec<_>, Vec<_>) = similar.flatten().partition(is_filled);
    if let Some(found) = named.iter().find(|found| is_filled(found)) {
        return Ok(found.clone());
    }
    tables.extend(supabase_users(schema));
    let further = || people(Pointers::ForeignKeys, &tables).or_else(|| people(Pointers::Names, &tables));
    if let Some(users) = similar.is_empty().then(further).flatten() {
        return Ok(users);
    }
    match (&similar[..], named.first().or(empty.first())) {
        ([one], _) | ([], Some(one)) => Ok(one.clone()),
        ([], None) => {
            let reason = reasons.into_iter().find_map(Result::err);
            Err(reason.unwrap_or_else(|| format!("no table of {name} was found")))
        }
        (several, _) => Err(ambiguous(name, several)),
    }
}

/// Returns `table` as the preset's source `name`, or the reason why it cannot be that.
fn recognise_as<'a>(
    name: &str,
    table: &'a Table,
    detected: &DetectedFormats,
    statistics: Option<&Statistics>,
) -> Result<Recognised<'a>, String> {
    if let Some(reason) = may_be_old(table) {
        return Err(reason);
    }
    let recognised = recognise(table, detected, statistics.and_then(|all| all.of(table)), name != USERS)?;
    match NEEDS_ACTOR.contains(&table.name.as_str()) && recognised.source.actor_column.is_none() {
        true => Err(format!("table {} has no actor column", table_name(table))),
        false => Ok(recognised),
    }
}

fn ambiguous(name: &str, several: &[Recognised]) -> String {
    let names: Vec<_> = several.iter().map(|recognised| table_name(recognised.table)).collect();
    format!(
        "several tables may contain the {name} ({}); declare one of them in [sources.{name}]",
        names.join(", ")
    )
}

/// Returns the tables that may be the preset's source `name`.
pub fn known_tables<'a>(name: &str, schema: &'a Schema) -> Vec<&'a Table> {
    let known = KNOWN_SOURCES.iter().filter(|known| known.name == name);
    known
        .flat_map(|known| {
            [tables_named(known.tables, schema), tables_ending(known.last_words, schema)].concat()
        })
        .collect()
}

/// Returns the tables with exactly one of the names, in the order of the names, those on the search path first.
fn tables_named<'a>(names: &[&str], schema: &'a Schema) -> Vec<&'a Table> {
    let rank = |table: &Table| {
        let name = table.name.to_lowercase();
        names.iter().position(|plural| name == *plural || name == singular(plural))
    };
    let tables = application_tables(schema).into_iter();
    let mut found: Vec<_> = tables.filter_map(|table| Some((rank(table)?, !table.visible, table))).collect();
    found.sort_by_key(|(rank, hidden, _)| (*hidden, *rank));
    found.into_iter().map(|(_, _, table)| table).collect()
}

fn tables_ending<'a>(last_words: &[&str], schema: &'a Schema) -> Vec<&'a Table> {
    let ends = |table: &&Table| {
        let words = words(&table.name);
        let shadow = words.first().is_some_and(|first| SHADOWS.contains(&first.as_str()));
        let last = words.last().map_or("", String::as_str);
        words.len() > 1
            && !shadow
            && last_words.iter().any(|plural| last == *plural || last == singular(plural))
    };
    application_tables(schema).into_iter().filter(ends).collect()
}
