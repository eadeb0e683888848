//! The sources that the preset knows, and the tables of a platform that they are bound to.

use crate::{
    config::recognise::{
        Recognised, recognise, singular, system_tables::is_application_table, table_name, words,
    },
    platform::{DetectedFormats, Schema, Table},
};

/// A source that the preset knows.
struct KnownSource {
    name: &'static str,
    /// What its table may be called, in the plural; the likeliest first.
    tables: &'static [&'static str],
    /// The last word of a longer name that is enough: `blog_posts`.
    last_words: &'static [&'static str],
}

const KNOWN_SOURCES: [KnownSource; 6] = [
    KnownSource {
        name: "users",
        tables: &["profiles", "users", "accounts", "members"],
        last_words: &["profiles", "users"],
    },
    KnownSource {
        name: "posts",
        tables: &["posts", "articles", "threads", "topics"],
        last_words: &["posts"],
    },
    KnownSource { name: "comments", tables: &["comments", "replies"], last_words: &["comments"] },
    KnownSource { name: "tracks", tables: &["tracks", "songs"], last_words: &["tracks", "songs"] },
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
/// First words of tables that hold what is no longer, or not yet, there.
const SHADOWS: &[&str] =
    &["deleted", "archived", "archive", "old", "tmp", "temp", "backup", "draft", "hidden"];

/// The names of the sources that the preset knows.
pub fn known_sources() -> impl Iterator<Item = &'static str> {
    KNOWN_SOURCES.iter().map(|known| known.name)
}

/// The table of the preset's source `name`, or why there is none.
pub fn recognise_known<'a>(
    name: &str,
    schema: &'a Schema,
    detected: &DetectedFormats,
) -> Result<Recognised<'a>, String> {
    let Some(known) = KNOWN_SOURCES.iter().find(|known| known.name == name) else {
        return Err(format!("`{name}` is not a source of the preset"));
    };
    let with_actor = known.name != "users";
    let mut reason = None;
    for table in tables_named(known.tables, schema) {
        match recognise(table, detected, with_actor) {
            Ok(recognised) => return Ok(recognised),
            Err(why) => reason = reason.or(Some(why)),
        }
    }
    let similar: Vec<_> = tables_ending(known.last_words, schema)
        .into_iter()
        .filter_map(|table| recognise(table, detected, with_actor).ok())
        .collect();
    match &similar[..] {
        [one] => Ok(one.clone()),
        [] => Err(reason.unwrap_or_else(|| format!("no table of {name} was found"))),
        several => {
            let names: Vec<_> = several.iter().map(|recognised| table_name(recognised.table)).collect();
            Err(format!(
                "several tables may hold the {name} ({}); say which in [sources.{name}]",
                names.join(", ")
            ))
        }
    }
}

/// The tables that may be the preset's source `name`.
pub fn known_tables<'a>(name: &str, schema: &'a Schema) -> Vec<&'a Table> {
    let known = KNOWN_SOURCES.iter().filter(|known| known.name == name);
    known
        .flat_map(|known| {
            [tables_named(known.tables, schema), tables_ending(known.last_words, schema)].concat()
        })
        .collect()
}

/// Tables of exactly one of the names, by the order of the names, those on the search path first.
fn tables_named<'a>(names: &[&str], schema: &'a Schema) -> Vec<&'a Table> {
    let rank = |table: &Table| {
        let name = table.name.to_lowercase();
        names.iter().position(|plural| name == *plural || name == singular(plural))
    };
    let tables = schema.tables.iter().filter(|table| is_application_table(table));
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
    schema.tables.iter().filter(|table| is_application_table(table)).filter(ends).collect()
}
