//! Checks a declared source against the platform's tables.

use crate::{
    config::{
        file::declaration::SourceDeclaration,
        finding::{Finding, Located},
        recognise::{
            Recognised, can_mark_existing,
            names::{grant, table_name},
            system_tables::application_tables,
            time_format::{
                Contradiction, contradiction, format_of, is_out_of_range, may_be_unreadable, may_lack_time,
                out_of_range, possible_formats,
            },
        },
        resolve::{
            column_check::{check_condition, find_column},
            joined_column::{NamedColumn, join_note, named_column},
        },
        suggest::{nearest, shown, suggestion},
    },
    metric::{Condition, Filter, JoinedColumn, Literal, Source, Test, TimeFormat},
    platform::{Column, ColumnType, DetectedFormats, Schema, Table, TableKind},
};

/// Checks a source. Returns it if it has no errors, and all findings about it.
pub fn check_source<'a>(
    declaration: &SourceDeclaration,
    tenant: &str,
    schema: &'a Schema,
    detected: &DetectedFormats,
) -> (Option<Recognised<'a>>, Vec<Finding>) {
    let (schema_name, table) = match find_table(declaration, schema) {
        Ok(found) => found,
        Err(finding) => return (None, vec![finding]),
    };
    if !table.readable {
        let message = format!("the platform's role may not read {}", table_name(table));
        return (None, vec![Finding::error(&declaration.table.place, message).hint(grant(table))]);
    }
    let mut findings = Vec::new();
    let mut columns = SourceColumns { schema, table, joined: Vec::new() };
    let time_format = check_time_column(declaration, &mut columns, detected, &mut findings);
    if let (Some(deleted), Some(time_format)) = (&declaration.deleted_column, time_format) {
        findings.extend(check_deleted_column(deleted, time_format, &mut columns, detected));
    }
    if let Some(actor) = &declaration.actor_column {
        columns.find(actor, &mut findings);
    }
    if let Some(Located { value: flagged, place }) = &declaration.include_flagged {
        let flagged = flagged.iter().map(|column| Located::new(column.clone(), place));
        findings.extend(flagged.filter_map(|column| find_column(table, &column).err()));
    }
    let mut filter = declaration.filter.clone();
    filter.extend(declaration.tenant_column.as_ref().map(|column| of_tenant(column, tenant)));
    for condition in &filter {
        let name = Located::new(condition.value.column.clone(), &condition.place);
        if let Some((column, of)) = columns.find(&name, &mut findings) {
            findings.extend(check_condition(of, column, condition));
        }
    }
    let broken = findings.iter().any(Finding::is_error);
    let filter = Filter(filter.into_iter().map(|condition| condition.value).collect());
    let joined = columns.joined;
    let recognised = time_format.filter(|_| !broken).map(|time_format| Recognised {
        table,
        unusable_deletion: None,
        guess: None,
        source: Source {
            schema: schema_name,
            filter,
            joined,
            ..declared_source(declaration, table, time_format)
        },
    });
    (recognised, findings)
}

/// The columns that a source names, with those of other tables that its foreign keys lead to.
struct SourceColumns<'a> {
    schema: &'a Schema,
    table: &'a Table,
    joined: Vec<JoinedColumn>,
}

impl<'a> SourceColumns<'a> {
    /// Returns the column with the table that it is a column of. A missing one, and how one is joined, is added to `findings`.
    fn find(
        &mut self,
        name: &Located<String>,
        findings: &mut Vec<Finding>,
    ) -> Option<(&'a Column, &'a Table)> {
        let found = named_column(self.schema, self.table, name).map_err(|finding| findings.push(finding));
        let NamedColumn { column, table, join } = found.ok()?;
        if let Some(join) = join.filter(|join| !self.joined.contains(join)) {
            findings.push(join_note(self.table, name, &join));
            self.joined.push(join);
        }
        Some((column, table))
    }
}

/// The source as it is declared, without a schema and a filter.
fn declared_source(declaration: &SourceDeclaration, table: &Table, time_format: TimeFormat) -> Source {
    let value = |column: &Option<Located<String>>| column.as_ref().map(|column| column.value.clone());
    Source {
        schema: None,
        table: declaration.query.as_ref().map_or(&table.name, |_| &declaration.name).clone(),
        query: declaration.query.as_ref().map(|query| query.value.clone()),
        joined: Vec::new(),
        time_column: declaration.time_column.value.clone(),
        time_format,
        time_zone: declaration.time_zone.clone().unwrap_or_else(|| "UTC".to_owned()),
        deleted_column: value(&declaration.deleted_column),
        actor_column: value(&declaration.actor_column),
        filter: Filter::default(),
    }
}

fn of_tenant(column: &Located<String>, tenant: &str) -> Located<Condition> {
    let test = Test::Equals(Literal::Text(tenant.to_owned()));
    Located::new(Condition { column: column.value.clone(), test }, &column.place)
}

/// Returns the table, and the schema that the source names.
pub fn find_table<'a>(
    declaration: &SourceDeclaration,
    schema: &'a Schema,
) -> Result<(Option<String>, &'a Table), Finding> {
    if let Some(Located { value: query, place }) = &declaration.query {
        let unread = || Finding::error(place, "the query was not examined; this is a defect in Daymark");
        let refused = |why: &String| {
            let hint = "a source's query is one SELECT that the database can run by itself";
            Finding::error(place, format!("the query cannot be read: {why}")).hint(hint)
        };
        let table = schema.query(query).ok_or_else(unread)?;
        return table.as_ref().map(|table| (None, table)).map_err(refused);
    }
    let Located { value: name, place } = &declaration.table;
    if let Some(Located { value: schema_name, place }) = &declaration.schema {
        let table = schema.table(Some(schema_name), name);
        return table.map(|table| (Some(schema_name.clone()), table)).ok_or_else(|| {
            let message = format!("there is no table {} in schema {}", shown(name), shown(schema_name));
            Finding::error(place, message).maybe_hint(nearest_table(name, schema))
        });
    }
    if let Some(table) = schema.table(None, name) {
        return Ok((None, table));
    }
    if let Some((schema_name, name)) = name.split_once('.')
        && let Some(table) = schema.table(Some(schema_name), name)
    {
        return Ok((Some(schema_name.to_owned()), table));
    }
    let message = format!("the platform has no table {}", shown(name));
    Err(Finding::error(place, message).maybe_hint(nearest_table(name, schema)))
}

fn nearest_table(name: &str, schema: &Schema) -> Option<String> {
    let bare = name.rsplit('.').next().unwrap_or(name);
    if let Some(hidden) = schema.tables.iter().find(|table| table.name == bare) {
        return Some(match hidden.visible {
            true => format!("did you mean `table = \"{}\"`?", hidden.name),
            false => format!("did you mean `table = \"{}.{}\"`?", hidden.schema, hidden.name),
        });
    }
    let tables: Vec<_> = application_tables(schema);
    let names = tables.iter().map(|table| table.name.as_str());
    match nearest(bare, names.clone()).and_then(|near| tables.iter().find(|table| table.name == near)) {
        Some(near) => Some(format!("did you mean {}?", table_name(near))),
        None if tables.is_empty() => Some("the platform has no tables that its role can see".to_owned()),
        None => suggestion(bare, names),
    }
}

fn check_time_column(
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

fn check_deleted_column(
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
