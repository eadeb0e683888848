//! Recognises the column with the time of a row's creation, by its name, by the share of rows that have a value, and by
//! its default.

use crate::{
    config::recognise::{
        column_synonyms::{BEGINNINGS, CREATED, CREATED_ENDS, OTHER_MOMENTS},
        ends::is_named_like_an_end,
        names::{plain, singular, words},
        time_format::{is_time_type, possible_formats},
    },
    platform::{Column, ColumnType, Table, TableStatistics},
};

/// The share of rows with a value from which a column counts as filled. It is below 1, because rows from before the
/// column was added may lack a value.
pub const FILLED: f64 = 0.99;

/// The share of rows with a value, if it is known.
pub fn share_of_rows(column: &Column, statistics: Option<&TableStatistics>) -> Option<f64> {
    match (column.nullable, statistics) {
        (false, _) => Some(1.0),
        (true, Some(statistics)) if statistics.rows != Some(0) => {
            statistics.filled.get(&column.name).copied()
        }
        _ => None,
    }
}

/// Returns the columns that may contain the time of creation, the most likely first.
///
/// The order is: columns with a known name, unless `statistics` show that rows lack a value; the only filled column
/// that defaults to the time of insertion; the only filled column; columns with the start of the event that the row
/// describes. If no column is filled, the one with the fewest missing values is used. If two columns are equally
/// likely, neither is used.
pub fn created_columns<'a>(table: &'a Table, statistics: Option<&TableStatistics>) -> Vec<&'a Column> {
    let share = |column: &Column| share_of_rows(column, statistics);
    let filled = |column: &&&Column| share(column).is_some_and(|share| share >= FILLED);
    let sparse = |column: &&&Column| share(column).is_some_and(|share| share < FILLED);
    let known = named_columns(table);
    let unnamed = unnamed_columns(table);
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

/// Returns all columns from which [`created_columns`] chooses.
pub fn candidates(table: &Table) -> Vec<&Column> {
    let mut all = named_columns(table);
    all.extend(unnamed_columns(table));
    all.extend(listed(table, BEGINNINGS));
    all
}

fn only<'a, 'b: 'a>(mut columns: impl Iterator<Item = &'a &'b Column>) -> Option<&'b Column> {
    columns.next().filter(|_| columns.next().is_none()).copied()
}

/// Sorts columns by the share of rows with a value, in descending order; columns with an unknown share are last.
fn by_share(mut columns: Vec<&Column>, share: impl Fn(&Column) -> Option<f64>) -> Vec<&Column> {
    let key = |column: &Column| share(column).unwrap_or_default();
    columns.sort_by(|left, right| key(right).total_cmp(&key(left)));
    columns
}

/// Returns the columns whose name means creation, the most likely first.
fn named_columns(table: &Table) -> Vec<&Column> {
    let last_word = plain(words(&table.name).last().map_or("", String::as_str));
    let singular = singular(&last_word);
    let of_table = |column: &&Column| {
        let name = plain(&column.name);
        let rest = name.strip_prefix(singular.as_str()).or_else(|| name.strip_prefix(last_word.as_str()));
        !singular.is_empty() && rest.is_some_and(|rest| CREATED_ENDS.contains(&rest))
    };
    let mut named: Vec<_> = listed(table, CREATED).chain(time_columns(table).filter(of_table)).collect();
    // `repo_created` in a table `repositories`.
    let is_prefixed = |column: &&Column| {
        let words = words(&column.name);
        words.len() > 1 && words.last().is_some_and(|last| last == "created")
    };
    if named.is_empty() {
        named.extend(only(time_columns(table).filter(is_prefixed).collect::<Vec<_>>().iter()));
    }
    named
}

fn listed<'a>(table: &'a Table, names: &'static [&'static str]) -> impl Iterator<Item = &'a Column> {
    names.iter().flat_map(move |name| time_columns(table).filter(move |column| plain(&column.name) == *name))
}

/// Returns the columns of a time type whose name means neither creation nor another time. Many tables have times as numbers, and
/// SQLite's as texts, so if none has a time type, names such as `lent_at` and `issue_date` are taken instead.
fn unnamed_columns(table: &Table) -> Vec<&Column> {
    let is_other = |column: &&Column| {
        let name = plain(&column.name);
        OTHER_MOMENTS.iter().any(|part| name.contains(part)) || is_named_like_an_end(table, column)
    };
    let columns = || time_columns(table).filter(|column| !is_other(column));
    let typed: Vec<_> = columns().filter(|column| is_time_type(column)).collect();
    match typed.is_empty() {
        true => columns().filter(|column| is_named_like_a_time(column)).collect(),
        false => typed,
    }
}

fn is_named_like_a_time(column: &Column) -> bool {
    words(&column.name).last().is_some_and(|word| ["at", "on", "date"].contains(&word.as_str()))
}

/// Whether only the values of the column can tell that it has times: no type and no known name does.
pub fn only_values_tell(table: &Table, column: &Column) -> bool {
    let is_number = matches!(column.column_type, ColumnType::Integer | ColumnType::Number);
    is_number
        && !is_time_type(column)
        && !named_columns(table).contains(&column)
        && unnamed_columns(table).contains(&column)
}

fn time_columns(table: &Table) -> impl Iterator<Item = &Column> {
    table.columns.iter().filter(|column| !possible_formats(table, column).is_empty())
}
