//! Recognises the column that says when a row was created: by its name, by whether every row has it, and by its default.

use crate::{
    config::recognise::{
        column_synonyms::{BEGINNINGS, CREATED, CREATED_ENDS, OTHER_MOMENTS},
        names::{plain, singular, words},
        time_format::{is_time_type, possible_formats},
    },
    platform::{Column, Table, TableStatistics},
};

/// From this share of rows on, a column counts as filled: a few rows from before it was added do not matter.
const FILLED: f64 = 0.99;

/// The columns that may say when a row was created, the likeliest first.
///
/// A column with a known name comes first, unless `statistics` show that rows lack it. Then comes the one that defaults
/// to the time of insertion, then the only one that every row has, then the beginning of what the row describes. When no
/// column is filled, the best filled one is taken. Two columns that are equally likely are none.
pub fn created_columns<'a>(table: &'a Table, statistics: Option<&TableStatistics>) -> Vec<&'a Column> {
    let share = |column: &Column| match (column.nullable, statistics) {
        (false, _) => Some(1.0),
        (true, Some(statistics)) if statistics.rows != Some(0) => {
            statistics.filled.get(&column.name).copied()
        }
        _ => None,
    };
    let filled = |column: &&&Column| share(column).is_some_and(|share| share >= FILLED);
    let sparse = |column: &&&Column| share(column).is_some_and(|share| share < FILLED);
    let known = named_columns(table);
    let unnamed: Vec<_> = unnamed_columns(table).collect();
    let beginnings: Vec<_> = listed(table, BEGINNINGS).collect();

    let mut found: Vec<&Column> = known.iter().filter(|column| !sparse(column)).copied().collect();
    found.extend(only(unnamed.iter().filter(filled).filter(|column| column.defaults_to_now)));
    found.extend(only(unnamed.iter().filter(filled)));
    found.extend(beginnings.iter().filter(filled).copied());
    if found.is_empty() {
        found.extend(by_share(known, share));
        found.extend(only(unnamed.iter()));
        let best = by_share(unnamed, share);
        let is_better = |first: &Column, second: &Column| share(first) > share(second);
        found.extend(
            best.first().filter(|first| best.get(1).is_some_and(|second| is_better(first, second))).copied(),
        );
    }
    let mut unique: Vec<&Column> = Vec::new();
    for column in found {
        if !unique.contains(&column) {
            unique.push(column);
        }
    }
    unique
}

/// All columns that [`created_columns`] chooses from.
pub fn candidates(table: &Table) -> Vec<&Column> {
    let mut all = named_columns(table);
    all.extend(unnamed_columns(table));
    all.extend(listed(table, BEGINNINGS));
    all
}

fn only<'a, 'b: 'a>(mut columns: impl Iterator<Item = &'a &'b Column>) -> Option<&'b Column> {
    columns.next().filter(|_| columns.next().is_none()).copied()
}

/// The best filled first; those of which that is not known stay last.
fn by_share(mut columns: Vec<&Column>, share: impl Fn(&Column) -> Option<f64>) -> Vec<&Column> {
    let key = |column: &Column| share(column).unwrap_or_default();
    columns.sort_by(|left, right| key(right).total_cmp(&key(left)));
    columns
}

/// Columns whose name means creation, the likeliest first.
fn named_columns(table: &Table) -> Vec<&Column> {
    let last_word = plain(words(&table.name).last().map_or("", String::as_str));
    let singular = singular(&last_word);
    let of_table = |column: &&Column| {
        let name = plain(&column.name);
        let rest = name.strip_prefix(singular.as_str()).or_else(|| name.strip_prefix(last_word.as_str()));
        !singular.is_empty() && rest.is_some_and(|rest| CREATED_ENDS.contains(&rest))
    };
    listed(table, CREATED).chain(able(table).filter(of_table)).collect()
}

fn listed<'a>(table: &'a Table, names: &'static [&'static str]) -> impl Iterator<Item = &'a Column> {
    names.iter().flat_map(move |name| able(table).filter(move |column| plain(&column.name) == *name))
}

/// Columns of a time type whose name means neither creation nor another moment of a row's life.
fn unnamed_columns(table: &Table) -> impl Iterator<Item = &Column> {
    able(table).filter(|column| {
        let name = plain(&column.name);
        is_time_type(column) && !OTHER_MOMENTS.iter().any(|part| name.contains(part))
    })
}

fn able(table: &Table) -> impl Iterator<Item = &Column> {
    table.columns.iter().filter(|column| !possible_formats(table, column).is_empty())
}
