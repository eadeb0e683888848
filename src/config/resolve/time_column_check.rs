//! Checks the columns of a source that contain times: whether their values can be read in a format, and are times of this century.

use crate::{
    config::{
        file::declaration::SourceDeclaration,
        finding::{Finding, Located},
        recognise::{
            can_mark_existing,
            time_format::{
                Contradiction, contradiction, format_of, is_out_of_range, may_be_unreadable, may_lack_time,
                out_of_range, possible_formats,
            },
        },
        resolve::joined_column::SourceColumns,
        suggest::shown,
    },
    metric::{Condition, Test, TimeFormat},
    platform::{Column, ColumnType, DetectedFormats, Table, TableKind},
};

pub(super) fn check_time_column(
    declaration: &SourceDeclaration,
    columns: &mut SourceColumns,
    detected: &DetectedFormats,
    findings: &mut Vec<Finding>,
) -> Option<TimeFormat> {
    let declared = &declaration.time_column;
    let (column, table) = columns.find(declared, findings)?;
    let format = match &declaration.time_format {
        Some(format) => declared_format(format, table, column, detected),
        None => detected_format(declared, table, column, detected),
    };
    if declaration.time_format.is_some() && is_out_of_range(table, column, detected) {
        findings.push(Finding::warning(&declared.place, out_of_range(table, column)).hint(OUT_OF_RANGE_HINT));
    }
    let format = format.map_err(|finding| findings.push(finding)).ok();
    let zone = declaration.time_zone.as_deref().unwrap_or("UTC");
    if format == Some(TimeFormat::Iso) && !["UTC", "Etc/UTC"].contains(&zone) {
        let message = format!("texts in the format `iso` without an offset are UTC, not `{zone}`");
        let hint = "if all of them have the same format without an offset, add `time_format = \"iso_utc\"` (or \
                    \"iso_utc_t\" if they contain a T), which honours `time_zone`; otherwise leave out `time_zone`";
        findings.push(Finding::error(&declared.place, message).hint(hint));
    }
    // Of a query it is not known which columns may be NULL.
    let is_left_out = |condition: &Located<Condition>| {
        condition.value.column == declared.value && condition.value.test == Test::IsNull(false)
    };
    let is_said = declaration.filter.iter().any(is_left_out);
    if format.is_some()
        && table.kind != TableKind::Query
        && !is_said
        && may_lack_time(table, column, detected)
    {
        let message =
            format!("{} may be NULL, and rows without a value belong to no day", shown(&column.name));
        findings.push(Finding::warning(&declared.place, message));
    }
    if let Some(format) = format {
        findings.extend(unreadable(declared, table, column, format, detected, "belong to no day"));
    }
    format
}

/// Warns of values that cannot be read as a time. `consequence` says what happens to their rows.
fn unreadable(
    declared: &Located<String>,
    table: &Table,
    column: &Column,
    format: TimeFormat,
    detected: &DetectedFormats,
    consequence: &str,
) -> Option<Finding> {
    let message = format!(
        "not all values of {} can be read as a time, and rows with other values {consequence}",
        shown(&column.name)
    );
    let hint = "a time is written as 2025-01-31 23:59:59, or with a T, and may end in Z or in an offset such as +01:00";
    may_be_unreadable(table, column, format, detected)
        .then(|| Finding::warning(&declared.place, message).hint(hint))
}

fn declared_format(
    format: &Located<TimeFormat>,
    table: &Table,
    column: &Column,
    detected: &DetectedFormats,
) -> Result<TimeFormat, Finding> {
    let possible = possible_formats(table, column);
    if possible.contains(&format.value) {
        return match contradiction(table, column, format.value, detected) {
            None => Ok(format.value),
            Some(Contradiction { message, found }) => {
                Err(Finding::error(&format.place, message).hint(format_hint(found)))
            }
        };
    }
    let message = format!(
        "{} is of type {}, which cannot contain times in the format `{}`",
        shown(&column.name),
        column.type_name,
        format.value.name()
    );
    let hint = match possible {
        [] => no_time_hint(table),
        [_] => Some("leave out `time_format`: the column's type determines it".to_owned()),
        _ => Some(format!("possible here: {}", names(possible))),
    };
    Err(Finding::error(&format.place, message).maybe_hint(hint))
}

fn format_hint(found: Option<TimeFormat>) -> String {
    match found {
        Some(found) => format!("write `time_format = \"{}\"`", found.name()),
        None => "convert them to one format, or read a view that does".to_owned(),
    }
}

/// Returns the format that the column's type or its values determine.
fn detected_format(
    declared: &Located<String>,
    table: &Table,
    column: &Column,
    detected: &DetectedFormats,
) -> Result<TimeFormat, Finding> {
    format_of(table, column, detected).map_err(|message| {
        let hint = match possible_formats(table, column) {
            [] => no_time_hint(table),
            _ if is_out_of_range(table, column, detected) => Some(OUT_OF_RANGE_HINT.to_owned()),
            possible => Some(format!("add `time_format`, one of {}", names(possible))),
        };
        Finding::error(&declared.place, message).maybe_hint(hint)
    })
}

/// What to do about numbers that are no times of this century.
const OUT_OF_RANGE_HINT: &str = "if they are microseconds, Julian days or seconds since another year, read a `query` that converts them \
    (`time_us / 1000000 AS at`); if they are older or later times, say so with `time_format`";

fn names(formats: &[TimeFormat]) -> String {
    formats.iter().map(|format| format!("`{}`", format.name())).collect::<Vec<_>>().join(", ")
}

fn no_time_hint(table: &Table) -> Option<String> {
    let suitable: Vec<_> = table
        .columns
        .iter()
        .filter(|column| {
            let plain_number = matches!(column.column_type, ColumnType::Integer | ColumnType::Number);
            !plain_number && !possible_formats(table, column).is_empty()
        })
        .map(|column| shown(&column.name))
        .take(8)
        .collect();
    (!suitable.is_empty()).then(|| format!("columns that can contain a time: {}", suitable.join(", ")))
}

pub(super) fn check_deleted_column(
    declared: &Located<String>,
    format: TimeFormat,
    columns: &mut SourceColumns,
    detected: &DetectedFormats,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some((column, table)) = columns.find(declared, &mut findings) else { return findings };
    if !possible_formats(table, column).contains(&format) {
        let message = format!(
            "deleted_column {} is of type {}, but must contain times in the time_column's format `{}`",
            shown(&column.name),
            column.type_name,
            format.name()
        );
        let hint = match column.column_type {
            ColumnType::Boolean => Some(format!(
                "a flag contains no time; to exclude flagged rows, use `filter = {{ {} = false }}`",
                column.name
            )),
            _ => None,
        };
        findings.push(Finding::error(&declared.place, message).maybe_hint(hint));
    } else if let Some(Contradiction { message, .. }) = contradiction(table, column, format, detected) {
        let message = format!("deleted_column: {message}, the time_column's format");
        let hint = "read a view with both columns in one format, or leave out `deleted_column`";
        findings.push(Finding::error(&declared.place, message).hint(hint));
    } else if !can_mark_existing(column) {
        let message = format!("{} is never NULL, so that every row counts as deleted", shown(&column.name));
        findings.push(Finding::warning(&declared.place, message));
    }
    findings.extend(unreadable(declared, table, column, format, detected, "count as existing"));
    findings
}
