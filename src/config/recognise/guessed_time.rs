//! Finds the time of creation by the values alone, in tables where neither a name nor a type shows it: nearly all rows have a number or
//! a text in the column that is a time, as in `entered`.

use crate::{
    config::recognise::{
        column_synonyms::OTHER_MOMENTS,
        creation_time::{FILLED, candidates, share_of_rows},
        ends::is_named_like_an_end,
        names::{plain, words},
        time_format::{possible_formats, to_detect},
    },
    metric::TimeFormat,
    platform::{Column, DetectedFormats, Table, TableStatistics},
};

/// The least number of rows of a table for which a guessed time is used; in smaller tables it is only offered as a comment.
const MIN_ROWS: u64 = 1000;

/// A column whose values are times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuessedTime<'a> {
    pub column: &'a Column,
    pub format: TimeFormat,
    /// Why it may be the time of creation.
    pub reason: String,
    /// Whether the table is large and has no other such column; otherwise it is only offered.
    pub is_used: bool,
}

/// Returns the columns whose values are needed, if no name and no type tells the time of creation.
pub fn guessable(table: &Table) -> Vec<&Column> {
    let is_key =
        |column: &Column| words(&column.name).last().is_some_and(|last| last == "id" || last == "key");
    let is_other = |column: &Column| {
        let name = plain(&column.name);
        OTHER_MOMENTS.iter().any(|part| name.contains(part)) || is_named_like_an_end(table, column)
    };
    match candidates(table).is_empty() {
        true => table
            .columns
            .iter()
            .filter(|column| {
                possible_formats(table, column).len() > 1 && !is_key(column) && !is_other(column)
            })
            .collect(),
        false => Vec::new(),
    }
}

/// Returns the column that is filled in nearly all rows and whose values are times; the first if there are several.
pub fn guessed_time<'a>(
    table: &'a Table,
    detected: &DetectedFormats,
    statistics: Option<&TableStatistics>,
) -> Option<GuessedTime<'a>> {
    let times = guessable(table).into_iter().filter_map(|column| {
        let found = detected.get(&to_detect(table, column)?).filter(|found| !found.is_doubtful)?;
        let is_filled = share_of_rows(column, statistics).is_some_and(|share| share >= FILLED);
        Some((column, found.format?)).filter(|_| is_filled)
    });
    let times: Vec<_> = times.collect();
    let (column, format) = *times.first()?;
    let is_large = statistics.and_then(|statistics| statistics.rows).is_some_and(|rows| rows >= MIN_ROWS);
    let names: Vec<_> = times.iter().map(|(column, _)| format!("`{}`", column.name)).collect();
    let reason = match &names[..] {
        [name] => format!(
            "{name} may be the time of creation: its name does not say so, but its values are times, and no other column has any"
        ),
        _ => format!(
            "one of these may be the time of creation, because their values are times: {}",
            names.join(", ")
        ),
    };
    Some(GuessedTime { column, format, reason, is_used: is_large && times.len() == 1 })
}
