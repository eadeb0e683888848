//! The table that a source names, or what to do where there is none.

use crate::{
    config::{
        file::declaration::SourceDeclaration,
        finding::{Finding, Located},
        recognise::{names::table_name, system_tables::application_tables},
        suggest::{nearest, shown, suggestion},
    },
    platform::{Schema, Table},
};

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
