//! The section of a source in the starter file, with what its table leaves to decide as comments.

use crate::{
    config::{
        recognise::{
            ends::EndColumn,
            flags::{FlagColumn, FlagMeaning},
            time_format::possible_formats,
        },
        template::{
            candidates::OfferedSource,
            proposal::quoted,
            text::{about, comment},
        },
    },
    metric::{Source, TimeFormat},
    platform::Table,
};

/// Writes the section of a source.
pub fn source_section(found: &OfferedSource) -> String {
    let OfferedSource { name, recognised, rows, flags, .. } = found;
    let (table, source) = (recognised.table, &recognised.source);
    let mut text = format!("\n[sources.{name}]\n");
    if let Some(rows) = rows.filter(|rows| *rows > 0) {
        text.push_str(&format!("# {}\n", about(rows)));
    }
    if let Some(schema) = &source.schema {
        text.push_str(&assignment("schema", schema));
    }
    text.push_str(&assignment("table", &source.table));
    if let Some(guess) = &recognised.guess {
        text.push_str(&comment(&format!("{}.", guess.reason)));
    }
    text.push_str(&time_lines(table, source));
    if let Some(reason) = &recognised.unusable_deletion {
        text.push_str(&comment(&format!(
            "no deleted_column: {reason}. Soft-deleted rows count as existing."
        )));
    }
    if let Some(column) = &source.deleted_column {
        text.push_str(&assignment("deleted_column", column));
    }
    if let Some(column) = &source.actor_column {
        text.push_str(&assignment("actor_column", column));
    }
    text + &end_lines(found.end.as_ref()) + &flag_lines(flags)
}

/// Writes the time of deletion that would end rows, as a comment.
fn end_lines(end: Option<&EndColumn>) -> String {
    let Some(EndColumn { column, problem }) = end else { return String::new() };
    match problem {
        Some(reason) => {
            comment(&format!("no deleted_column: {reason}. Rows that have ended count as existing."))
        }
        None => format!(
            "{}# {}",
            comment(&format!(
                "`{}` looks like the end of a row. Remove the `#` if a row should count as existing until then:",
                column.name
            )),
            assignment("deleted_column", &column.name)
        ),
    }
}

fn assignment(key: &str, value: &str) -> String {
    format!("{key} = {}\n", quoted(value))
}

fn time_lines(table: &Table, source: &Source) -> String {
    let mut text = assignment("time_column", &source.time_column);
    let time_column = table.column(&source.time_column);
    let is_ambiguous = time_column.is_none_or(|column| possible_formats(table, column).len() > 1);
    match source.time_format {
        // The format is not written: the table may be empty now, and a stricter format that is detected later can use
        // an index.
        TimeFormat::Iso => {
            text.push_str("# time_format is detected from the values; at present it is \"iso\"\n")
        }
        format if is_ambiguous => text.push_str(&assignment("time_format", format.name())),
        _ => {}
    }
    if source.time_format == TimeFormat::Timestamp {
        text.push_str("# the zone of times without an offset\n");
        text.push_str(&assignment("time_zone", &source.time_zone));
    }
    text
}

/// Writes the filter that would exclude flagged rows, as a comment.
fn flag_lines(flags: &[FlagColumn]) -> String {
    let states: String = flags.iter().filter_map(state_lines).collect();
    let conditions: Vec<_> = flags.iter().filter_map(FlagColumn::condition).collect();
    if conditions.is_empty() {
        return states;
    }
    format!(
        "# These columns look like flags. Remove one `#` if flagged rows should not count:\n{states}# filter = {{ {} }}\n",
        conditions.join(", ")
    )
}

/// Writes the values of a state, and which of them the filter excludes.
fn state_lines(flag: &FlagColumn) -> Option<String> {
    let FlagMeaning::State { values, excluded, failed, .. } = &flag.meaning else { return None };
    let name = &flag.column.name;
    let all: Vec<_> = values.iter().map(|value| quoted(value)).collect();
    let left_out: Vec<_> = excluded.iter().chain(failed).map(|value| quoted(value)).collect();
    let meaning = match &left_out[..] {
        [] => "which all count; a `filter` with `not_in` leaves some out".to_owned(),
        [value] => format!("of which {value} may not count"),
        values => format!("of which {} may not count", values.join(", ")),
    };
    Some(comment(&format!("{name} is one of {}, {meaning}", all.join(", "))))
}
