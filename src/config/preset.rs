//! The built-in metrics of a community platform, fitted to the tables that a platform has.

use std::{collections::BTreeMap, path::Path};

use super::{
    Finding, Located,
    catalogue::Catalogue,
    declaration::{Formula, MetricDeclaration, Operand},
    file::read_text,
    recognise::{Recognised, is_application_table, recognise, singular, table_name, words},
};
use crate::platform::{ColumnType, DetectedFormats, Schema, Table};

/// Where the preset's own declarations stand, for messages.
pub const PLACE: &str = "the community preset";

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

/// Where a metric finds its column: the first that exists. With the column's unit, where that differs.
struct ColumnChoice {
    category: &'static str,
    of: &'static str,
    sources: &'static [&'static str],
    columns: &'static [(&'static str, Option<&'static str>)],
    numeric: bool,
}

const COLUMN_CHOICES: [ColumnChoice; 2] = [
    ColumnChoice {
        category: "track_duration",
        of: "duration",
        sources: &["tracks"],
        columns: &[
            ("duration_seconds", None),
            ("duration_secs", None),
            ("duration_sec", None),
            ("duration_s", None),
            ("length_seconds", None),
            ("duration_ms", Some("milliseconds")),
            ("duration_millis", Some("milliseconds")),
            ("milliseconds", Some("milliseconds")),
            ("duration", None),
        ],
        numeric: true,
    },
    ColumnChoice {
        category: "top_genres",
        of: "genre",
        sources: &["tracks", "posts"],
        columns: &[("genre", None), ("genre_name", None), ("main_genre", None), ("genre_id", None)],
        numeric: false,
    },
];

/// The preset's metrics for one platform.
pub struct Fitted {
    pub metrics: Vec<MetricDeclaration>,
    /// Why a metric lacks what it needs, by category.
    pub unfit: BTreeMap<String, String>,
}

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

/// The preset as it is written, and what is wrong with it, which a test keeps empty.
fn written() -> (Vec<MetricDeclaration>, Vec<Finding>) {
    let file = read_text(PLACE, Path::new(""), include_str!("community.toml"));
    (file.declarations.metrics, file.problems)
}

/// Whether the preset has a metric of that name.
pub fn has_metric(category: &str) -> bool {
    written().0.iter().any(|metric| metric.category == category)
}

/// Fits the preset to the sources there are.
pub fn fitted(catalogue: &Catalogue) -> Fitted {
    let mut unfit = BTreeMap::new();
    let (mut metrics, _) = written();
    for metric in &mut metrics {
        let fit = match COLUMN_CHOICES.iter().find(|choice| choice.category == metric.category) {
            Some(choice) => choose_column(metric, choice, catalogue),
            None => keep_active_sources(&mut metric.formula, catalogue),
        };
        if let Err(reason) = fit {
            unfit.insert(metric.category.clone(), reason);
        }
    }
    Fitted { metrics, unfit }
}

fn choose_column(
    metric: &mut MetricDeclaration,
    choice: &ColumnChoice,
    catalogue: &Catalogue,
) -> Result<(), String> {
    for source in choice.sources {
        let Some(recognised) = catalogue.ready(source) else { continue };
        for (name, unit) in choice.columns {
            let fits = |column_type| {
                !choice.numeric || matches!(column_type, ColumnType::Integer | ColumnType::Number)
            };
            let column =
                recognised.table.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
            let Some(column) = column.filter(|column| fits(column.column_type)) else { continue };
            metric.formula.sources = Some(Located::new(vec![(*source).to_owned()], PLACE));
            metric.formula.column = Some(Located::new(column.name.clone(), PLACE));
            metric.unit = unit.map(str::to_owned).or_else(|| metric.unit.take());
            return Ok(());
        }
    }
    let known: Vec<_> =
        choice.sources.iter().filter(|source| catalogue.ready(source).is_some()).copied().collect();
    Err(match known.is_empty() {
        true => catalogue.reason(choice.sources[0]),
        false => format!("no column of the {} was found in {}", choice.of, known.join(" or ")),
    })
}

/// Of a ratio's actors, keeps the sources that there are and that say who acted.
fn keep_active_sources(formula: &mut Formula, catalogue: &Catalogue) -> Result<(), String> {
    let Some(Located { value: Operand::Measure(numerator), .. }) = &mut formula.numerator else {
        return Ok(());
    };
    let Some(sources) = &mut numerator.sources else { return Ok(()) };
    let acts = |name: &String| {
        catalogue.ready(name).is_some_and(|recognised| recognised.source.actor_column.is_some())
    };
    sources.value.retain(acts);
    if sources.value.is_empty() {
        numerator.sources = None;
        let reason = "no table was found that says who acted (posts, comments, tracks, likes or follows)";
        return Err(reason.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preset_is_written_without_mistakes() {
        let (metrics, problems) = written();
        assert_eq!(problems, []);
        let categories: Vec<_> = metrics.iter().map(|metric| metric.category.as_str()).collect();
        assert_eq!(categories.len(), 12);
        for metric in &metrics {
            assert!(metric.display_name.is_some() && metric.description.is_some(), "{}", metric.category);
            assert!(metric.format_pattern.is_some(), "{}", metric.category);
        }
        for choice in &COLUMN_CHOICES {
            assert!(categories.contains(&choice.category));
        }
    }
}
