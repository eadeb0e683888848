//! Checks a declared source against the platform's tables.

use crate::{
    config::{
        file::declaration::SourceDeclaration,
        finding::{Finding, Located},
        recognise::{
            Recognised,
            names::{grant, table_name},
        },
        resolve::{
            column_check::{check_condition, find_column},
            find_table::find_table,
            joined_column::SourceColumns,
            time_column_check::{check_deleted_column, check_time_column},
        },
    },
    metric::{Condition, Filter, Literal, Source, Test, TimeFormat},
    platform::{DetectedFormats, Schema, Table},
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
    let mut columns = SourceColumns::new(schema, table);
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
