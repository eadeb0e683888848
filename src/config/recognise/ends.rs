//! Recognises the column with the time at which a row ended although it is not called a deletion: `returned_at` of a loan, `left_on` of a
//! member. Without this column, a row counts as existing on every day after its creation.

use crate::{
    config::recognise::{
        column_synonyms::{ENDED, ENDINGS},
        deletion::{can_mark_existing, unusable_reason},
        names::{plain, words},
        time_format::{possible_formats, to_detect},
    },
    metric::Source,
    platform::{Column, DetectedFormats, Table},
};

/// Last words of names that say that a column has times, but not which ones.
const OF_TIMES: &[&str] = &["at", "on", "date", "time", "unix", "ms", "ts", "utc"];

/// A column is taken for one of the table's own verb, as `returned_at` of `returns`, if this many first characters of the names agree.
const STEM_CHARS: usize = 4;

/// A column with the time at which a row ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndColumn<'a> {
    pub column: &'a Column,
    /// Why it cannot be the `deleted_column`.
    pub problem: Option<String>,
}

/// Whether the column is named like a time at which a row of the table ended. `returned_at` is not one in a table `returns`, whose rows
/// begin at that time.
pub fn is_named_like_an_end(table: &Table, column: &Column) -> bool {
    let stem: String = words(&table.name).pop().unwrap_or_default().chars().take(STEM_CHARS).collect();
    let is_of_table = !stem.is_empty() && plain(&column.name).starts_with(&stem);
    !is_of_table && is_ending(&column.name)
}

fn is_ending(name: &str) -> bool {
    let mut words = words(name);
    if says_time(&words) {
        words.pop();
    }
    let is_ending = words.last().is_some_and(|last| ENDINGS.contains(&last.as_str()));
    is_ending || ENDED.contains(&plain(name).as_str())
}

fn says_time(words: &[String]) -> bool {
    words.len() > 1 && words.last().is_some_and(|last| OF_TIMES.contains(&last.as_str()))
}

/// Whether the column has times. Where its type does not decide (`closed` may have times, or 0 and 1), the values do; where there are no
/// values, its name does.
fn has_times(table: &Table, column: &Column, detected: &DetectedFormats) -> bool {
    if possible_formats(table, column).len() == 1 {
        return true;
    }
    let found = to_detect(table, column).and_then(|column| detected.get(&column));
    found.is_some_and(|found| match found.format {
        Some(_) => !found.is_doubtful,
        None => !found.out_of_range && says_time(&words(&column.name)),
    })
}

/// The columns that may have the time at which a row ended; their values are needed to decide where the type allows several formats.
pub fn end_columns(table: &Table) -> impl Iterator<Item = &Column> {
    table.columns.iter().filter(|column| {
        is_named_like_an_end(table, column)
            && can_mark_existing(column)
            && !possible_formats(table, column).is_empty()
    })
}

/// Returns the end of a row that the source does not use, unless the source has a time of deletion.
pub fn unused_end<'a>(
    table: &'a Table,
    source: &Source,
    detected: &DetectedFormats,
) -> Option<EndColumn<'a>> {
    if source.deleted_column.is_some() {
        return None;
    }
    let ends = end_columns(table)
        .filter(|column| column.name != source.time_column && has_times(table, column, detected));
    let mut ends: Vec<_> = ends
        .map(|column| EndColumn {
            column,
            problem: unusable_reason(table, column, source.time_format, detected),
        })
        .collect();
    // Those that can be used come first.
    ends.sort_by_key(|end| end.problem.is_some());
    ends.into_iter().next()
}
