//! Recognises flags: columns that mark rows as deleted, hidden, spam, draft and similar. An application does not show
//! such rows, so they should probably not count.

use std::collections::BTreeSet;

use crate::{
    config::recognise::{
        boolean_values::BooleanValues,
        column_synonyms::ENDED,
        names::{plain, words as words_of},
        time_format::{is_time_type, on_sqlite},
    },
    metric::Source,
    platform::{Column, ColumnType, Table, TableStatistics},
};

/// Words in names of flags and in values of states that mark rows that do not count.
const EXCLUDED: &[&str] = &[
    "deleted",
    "removed",
    "hidden",
    "spam",
    "draft",
    "drafted",
    "banned",
    "archived",
    "trash",
    "trashed",
    "discarded",
    "suspended",
    "blocked",
    "disabled",
    "deactivated",
    "unpublished",
    "inactive",
    "junk",
    "voided",
    "void",
    "purged",
    "shadowbanned",
    "cancelled",
    "canceled",
    "rejected",
    "destroyed",
    "test",
];
/// Words in names of flags and in values of states that mark rows that did not succeed. Whether such rows should count depends on the table: a failed payment is not a
/// payment, but a failed job is a job.
const FAILED: &[&str] = &[
    "failed",
    "declined",
    "denied",
    "refused",
    "refunded",
    "reversed",
    "bounced",
    "expired",
    "aborted",
    "abandoned",
    "withdrawn",
    "invalid",
    "missed",
    "lost",
];
/// Words in names of flags that mark rows that count.
const INCLUDED: &[&str] = &["published", "visible", "approved", "active", "enabled", "listed"];
/// Last words of the names of columns with a row's state.
const STATES: &[&str] = &["status", "state", "visibility"];

/// A column that looks like a flag.
#[derive(Debug, Clone, PartialEq)]
pub struct FlagColumn<'a> {
    pub column: &'a Column,
    pub meaning: FlagMeaning,
    /// Whether the flag marks rows that did not succeed, as `no_show` does, which may count.
    pub may_count: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum FlagMeaning {
    /// A boolean; rows with the value `keep` count.
    Boolean { keep: bool },
    /// A number, 0 or 1; rows count whose value means `keep`.
    Number { keep: bool },
    /// Values such as `Y` and `N`; rows count whose value means `keep`. `or_number`: the values may also be stored as
    /// numbers, which do not equal texts.
    Values { keep: bool, values: BooleanValues, or_number: bool },
    /// The time at which the row was marked; NULL for rows that are not marked.
    Time,
    /// One of a few states. Rows whose state is in `excluded` do not count, and those whose state is in `failed` may not; `numeric`: the
    /// values are numbers.
    State { values: BTreeSet<String>, excluded: Vec<String>, failed: Vec<String>, numeric: bool },
}

impl FlagColumn<'_> {
    /// Whether the flag certainly marks rows that do not count. A state does so only if one of its values is in `excluded`.
    pub fn is_clear(&self) -> bool {
        let is_without_excluded =
            matches!(&self.meaning, FlagMeaning::State { excluded, .. } if excluded.is_empty());
        !self.may_count && !is_without_excluded
    }

    /// Returns the `filter` condition that keeps only the rows that count; `None` for a state whose values have no known meaning.
    pub fn condition(&self) -> Option<String> {
        let column = match self.column.name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            true => self.column.name.clone(),
            false => quoted(&self.column.name),
        };
        let listed = |values: Vec<String>| format!("[{}]", values.join(", "));
        let test = match (&self.meaning, self.column.nullable) {
            (FlagMeaning::Time, _) => "{ is_null = true }".to_owned(),
            (FlagMeaning::Boolean { keep: false }, true) => "{ is_not = [true] }".to_owned(),
            (FlagMeaning::Number { keep: false }, true) => "{ is_not = [1] }".to_owned(),
            (FlagMeaning::Boolean { keep }, _) => keep.to_string(),
            (FlagMeaning::Number { keep }, _) => i32::from(*keep).to_string(),
            (FlagMeaning::Values { keep: false, values, or_number }, true) => {
                format!("{{ is_not = {} }}", listed(literals(&values.yes, *or_number)))
            }
            (FlagMeaning::Values { keep, values, or_number }, _) => {
                let literals = literals(if *keep { &values.yes } else { &values.no }, *or_number);
                if literals.len() == 1 { literals.concat() } else { listed(literals) }
            }
            (FlagMeaning::State { excluded, failed, numeric, .. }, may_be_null) => {
                let literal = |value: &String| if *numeric { value.clone() } else { quoted(value) };
                let left_out: Vec<_> = excluded.iter().chain(failed).map(literal).collect();
                match (left_out.is_empty(), may_be_null) {
                    (true, _) => return None,
                    (false, true) => format!("{{ is_not = {} }}", listed(left_out)),
                    (false, false) => format!("{{ not_in = {} }}", listed(left_out)),
                }
            }
        };
        Some(format!("{column} = {test}"))
    }
}

/// Quotes a text as a TOML string on one line.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Writes the values as texts, and those that are digits also as numbers if they may be stored so.
fn literals(values: &[String], or_number: bool) -> Vec<String> {
    let numbers = values.iter().filter(|value| or_number && value.parse::<u8>().is_ok()).cloned();
    numbers.chain(values.iter().map(|value| quoted(value))).collect()
}

/// Returns the flags of the table that the source uses neither in its filter nor as its time of deletion.
pub fn unused_flags<'a>(
    table: &'a Table,
    source: &Source,
    statistics: Option<&TableStatistics>,
) -> Vec<FlagColumn<'a>> {
    let used: Vec<_> =
        [Some(&source.time_column), source.deleted_column.as_ref(), source.actor_column.as_ref()]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .chain(source.filter.columns())
            .collect();
    // What has ended is left out from that time on, so that a state or a time of cancellation says nothing more.
    let mut times = source.deleted_column.iter().chain([&source.time_column]);
    let tells_end = times.any(|column| ENDED.contains(&plain(column).as_str()));
    let is_open = |flag: &FlagColumn| {
        !(tells_end && matches!(flag.meaning, FlagMeaning::Time | FlagMeaning::State { .. }))
    };
    let columns = table.columns.iter().filter(|column| !used.contains(&column.name.as_str()));
    columns.filter_map(|column| flag(table, column, statistics)).filter(is_open).collect()
}

/// Whether the column may be a flag, by its name; its values are then needed to decide.
pub fn may_be_flag(column: &Column) -> bool {
    is_mark(column) || is_failure(&column.name) || is_state(&words_of(&column.name))
}

/// Whether the name of the column says that it marks the rows that count, or those that do not.
pub fn is_mark(column: &Column) -> bool {
    has_word(&column.name, EXCLUDED) || has_word(&column.name, INCLUDED)
}

/// Whether the name of a flag or the value of a state says that the row did not succeed.
fn is_failure(text: &str) -> bool {
    let words = words_of(text);
    let is_no_show =
        words.windows(2).any(|pair| pair == ["no", "show"]) || words.iter().any(|word| word == "noshow");
    is_no_show || has_word(text, FAILED)
}

/// Whether the words of a column's name say that it has the state of the row.
pub fn is_state(words: &[String]) -> bool {
    words.last().is_some_and(|last| STATES.contains(&last.as_str()))
}

fn flag<'a>(
    table: &Table,
    column: &'a Column,
    statistics: Option<&TableStatistics>,
) -> Option<FlagColumn<'a>> {
    let words = words_of(&column.name);
    let has = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    // A mark that expires, such as a temporary ban, is not a permanent flag.
    if has(&["until", "till", "expires"]) {
        return None;
    }
    let values = statistics.and_then(|statistics| statistics.values.get(&column.name));
    let may_count = !is_mark(column) && is_failure(&column.name);
    // A number that is called `failed` may count something, so that its values must tell that it is a flag.
    let is_known =
        column.column_type != ColumnType::Integer || values.is_some_and(|values| !values.is_empty());
    let is_named = is_mark(column) || (may_count && is_known);
    let keep = !has(EXCLUDED) && !may_count;
    let meaning = if is_named && let Some(meaning) = yes_or_no(table, column, keep, values) {
        let is_about_the_mark =
            |word: &String| ["at", "on", "by", "id", "count", "time"].contains(&word.as_str());
        let is_boolean = column.column_type == ColumnType::Boolean;
        (is_boolean || !words.iter().any(is_about_the_mark)).then_some(meaning)?
    } else if has(EXCLUDED) && is_time(table, column, &words) {
        column.nullable.then_some(FlagMeaning::Time)?
    } else if is_state(&words) && column.column_type != ColumnType::Boolean {
        state(column, values.filter(|values| !values.is_empty())?.clone())
    } else {
        return None;
    };
    Some(FlagColumn { column, meaning, may_count })
}

/// The meaning of a column with one of a few states.
fn state(column: &Column, values: BTreeSet<String>) -> FlagMeaning {
    let is_excluded = |value: &&String| has_word(value, EXCLUDED);
    let is_failed = |value: &&String| !is_excluded(value) && is_failure(value);
    let excluded = values.iter().filter(is_excluded).cloned().collect();
    let failed = values.iter().filter(is_failed).cloned().collect();
    FlagMeaning::State { excluded, failed, numeric: column.column_type == ColumnType::Integer, values }
}

fn has_word(text: &str, known: &[&str]) -> bool {
    words_of(text).iter().any(|word| known.contains(&word.as_str()))
}

/// The meaning of a column that says yes or no, by its type and its values; `None` if it holds something else.
fn yes_or_no(
    table: &Table,
    column: &Column,
    keep: bool,
    values: Option<&BTreeSet<String>>,
) -> Option<FlagMeaning> {
    let values = values.filter(|values| !values.is_empty());
    let are_digits = values.map(|values| values.iter().all(|value| ["0", "1"].contains(&value.as_str())));
    let of_values = |or_number| {
        let values = BooleanValues::of(values?)?;
        Some(FlagMeaning::Values { keep, values: values.completed(), or_number })
    };
    match column.column_type {
        // SQLite stores a boolean as a number, and compares it with `true` as a number; but some libraries write `t` and `f`.
        ColumnType::Boolean if on_sqlite(table) && are_digits == Some(false) => of_values(true),
        ColumnType::Boolean => Some(FlagMeaning::Boolean { keep }),
        ColumnType::Integer => are_digits.unwrap_or(true).then_some(FlagMeaning::Number { keep }),
        ColumnType::Number => (are_digits == Some(true)).then_some(FlagMeaning::Number { keep }),
        ColumnType::Text => of_values(false),
        ColumnType::Other if on_sqlite(table) => of_values(true),
        ColumnType::Other if column.type_name == "bit" && values.is_none() => {
            let values = BooleanValues { yes: vec!["1".to_owned()], no: vec!["0".to_owned()] };
            Some(FlagMeaning::Values { keep, values, or_number: false })
        }
        ColumnType::Other if column.type_name == "bit" => of_values(false),
        // An enumeration refuses a value that is not one of its own, so that only values that were seen are compared.
        ColumnType::Enumeration | ColumnType::Other => {
            let values = BooleanValues::of(values?)?;
            let has_compared = match keep {
                true => !values.yes.is_empty(),
                false if column.nullable => !values.yes.is_empty(),
                false => !values.no.is_empty(),
            };
            has_compared.then_some(FlagMeaning::Values { keep, values, or_number: false })
        }
        _ => None,
    }
}

/// Whether the column contains a time. On SQLite, times may be stored as texts or numbers, so the name decides.
fn is_time(table: &Table, column: &Column, words: &[String]) -> bool {
    let named = words.last().is_some_and(|last| ["at", "on", "date", "time"].contains(&last.as_str()));
    is_time_type(column)
        || (on_sqlite(table) && named && matches!(column.column_type, ColumnType::Text | ColumnType::Other))
}
