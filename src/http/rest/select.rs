//! `select`: which columns a row has, and under which names.

use super::{
    error::{RestError, cut},
    scanner::Scanner,
};
use crate::{
    config,
    store::table::{ColumnKind, MAX_COLUMNS, Output, StoreColumn, StoreTable},
};

/// The columns that `text` asks for; all of the table where it is empty, as PostgREST has it.
pub(super) fn select(table: StoreTable, text: &str) -> Result<Vec<Output>, RestError> {
    let everything = || table.columns().iter().map(output);
    if text.is_empty() {
        return Ok(everything().collect());
    }
    let mut scanner = Scanner::new("select parameter", text);
    let mut outputs = Vec::new();
    loop {
        scanner.skip_spaces();
        match scanner.take("*") {
            true => outputs.extend(everything()),
            false => outputs.push(item(table, &mut scanner)?),
        }
        scanner.skip_spaces();
        if outputs.len() > MAX_COLUMNS {
            return Err(scanner.wrong(format!("more than {MAX_COLUMNS} columns are selected")));
        }
        if scanner.is_at_end() {
            return Ok(outputs);
        }
        scanner.expect(",")?;
    }
}

fn output(column: &'static StoreColumn) -> Output {
    Output { column, alias: None, as_text: false }
}

/// `[alias:]column[::text]`.
fn item(table: StoreTable, scanner: &mut Scanner<'_>) -> Result<Output, RestError> {
    if scanner.take("...") {
        return Err(no_relationship(table, &scanner.name()?));
    }
    let mut name = scanner.name()?;
    let mut alias = None;
    if !scanner.rest().starts_with("::") && scanner.take(":") {
        if name.contains('\0') {
            return Err(scanner.wrong("a name with the character U+0000 in it"));
        }
        alias = Some(name);
        name = scanner.name()?;
    }
    if name == "count" && scanner.rest().starts_with("()") {
        return Err(no_aggregates());
    }
    if scanner.rest().starts_with(['!', '(']) {
        return Err(no_relationship(table, &name));
    }
    if scanner.rest().starts_with("->") {
        return Err(no_paths(&name));
    }
    let column = column(table, &name)?;
    let as_text = scanner.take("::") && cast(column, &scanner.name()?)?;
    if scanner.take(".") {
        return Err(no_aggregates());
    }
    Ok(Output { column, alias, as_text })
}

/// Whether the column is shown as text, which is the only cast that there is.
fn cast(column: &StoreColumn, to: &str) -> Result<bool, RestError> {
    match to == "text" && !matches!(column.kind, ColumnKind::Instant | ColumnKind::Object) {
        true => Ok(true),
        false => Err(RestError::not_implemented(format!(
            "the cast of {} to {to}; columns can be cast to text, unless they are instants or JSON",
            column.name
        ))),
    }
}

/// The table's column of that name.
pub(super) fn column(table: StoreTable, name: &str) -> Result<&'static StoreColumn, RestError> {
    table.column(name).ok_or_else(|| {
        let message = format!("column {}.{} does not exist", table.name(), cut(name));
        let error = RestError::bad_request("42703", message);
        match config::nearest(name, table.columns().iter().map(|column| column.name)) {
            Some(near) => {
                error.hint(format!("Perhaps you meant to reference the column \"{}.{near}\".", table.name()))
            }
            None => error,
        }
    })
}

fn no_relationship(table: StoreTable, to: &str) -> RestError {
    let (from, to) = (table.name(), cut(to));
    let message = format!("Could not find a relationship between '{from}' and '{to}' in the schema cache");
    RestError::bad_request("PGRST200", message).details(format!(
        "Searched for a foreign key relationship between '{from}' and '{to}' in the schema 'public', but no matches \
         were found."
    ))
}

fn no_aggregates() -> RestError {
    RestError::bad_request("PGRST123", "Use of aggregate functions is not allowed")
}

/// The error for an unknown column; filters and orders use it, too.
pub(super) fn no_paths(name: &str) -> RestError {
    RestError::not_implemented(format!("paths into JSON; select {} as a whole", cut(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<(String, bool)> {
        let outputs = select(StoreTable::DailyMetrics, text).unwrap();
        let name = |output: &Output| output.alias.clone().unwrap_or_else(|| output.column.name.to_owned());
        outputs.iter().map(|output| (name(output), output.as_text)).collect()
    }

    fn code(text: &str) -> &'static str {
        select(StoreTable::DailyMetrics, text).unwrap_err().code
    }

    #[test]
    fn columns_may_have_other_names_and_be_text() {
        assert_eq!(shown("*").len(), StoreTable::DailyMetrics.columns().len());
        assert_eq!(shown("").len(), StoreTable::DailyMetrics.columns().len());
        let expected = [("d".to_owned(), false), ("value".to_owned(), true), ("a\"b".to_owned(), false)];
        assert_eq!(shown("d:metric_date, value::text,\"a\\\"b\":\"id\""), expected);
    }

    #[test]
    fn an_unknown_column_has_postgrests_code() {
        for (text, expected) in [
            ("nothing", "42703"),
            ("tenant_id", "42703"),
            ("value,", "PGRST100"),
            ("value value2", "42703"),
            ("value)", "PGRST100"),
            ("\"a\0\":value", "PGRST100"),
            ("*,posts(*)", "PGRST200"),
            ("a:posts!inner(id)", "PGRST200"),
            ("...posts(id)", "PGRST200"),
            ("count()", "PGRST123"),
            ("value.sum()", "PGRST123"),
            ("metadata->x", "PGRST127"),
            ("value::int", "PGRST127"),
            ("created_at::text", "PGRST127"),
        ] {
            assert_eq!(code(text), expected, "{text}");
        }
        assert_eq!(code(&"value,".repeat(MAX_COLUMNS + 1)), "PGRST100");
        let hint = select(StoreTable::DailyMetrics, "metric_dat").unwrap_err().hint;
        assert_eq!(
            &*hint.unwrap(),
            "Perhaps you meant to reference the column \"daily_metrics.metric_date\"."
        );
    }
}
