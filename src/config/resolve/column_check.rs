//! Checks columns and filters against a table of the platform.

use crate::{
    config::{
        finding::{Finding, Located},
        recognise::{names::table_name, time_format::on_sqlite},
        suggest::{shown, suggestion},
    },
    metric::{Condition, Literal, Test},
    platform::{Column, ColumnType, Table, TableKind},
};

/// Returns the column of that name, or the finding that it is missing.
pub fn find_column<'a>(table: &'a Table, name: &Located<String>) -> Result<&'a Column, Finding> {
    table.column(&name.value).ok_or_else(|| {
        let message = match table.kind {
            TableKind::Query => format!("the query returns no column {}", shown(&name.value)),
            _ => format!("table {} has no column {}", table_name(table), shown(&name.value)),
        };
        let names = table.columns.iter().map(|column| column.name.as_str());
        Finding::error(&name.place, message).maybe_hint(suggestion(&name.value, names))
    })
}

/// Returns a finding unless the column, which `name` names, contains numbers.
pub fn check_number(table: &Table, column: &Column, name: &Located<String>) -> Option<Finding> {
    let is_number = match column.column_type {
        ColumnType::Integer | ColumnType::Number => true,
        // On SQLite, a column without a known type may contain numbers.
        ColumnType::Other => on_sqlite(table),
        _ => false,
    };
    let message = || format!("{} is of type {}, not a number", shown(&name.value), column.type_name);
    let numbers = || {
        let is_numeric =
            |column: &&Column| matches!(column.column_type, ColumnType::Integer | ColumnType::Number);
        let names: Vec<_> =
            table.columns.iter().filter(is_numeric).map(|column| shown(&column.name)).take(8).collect();
        (!names.is_empty()).then(|| format!("columns with numbers: {}", names.join(", ")))
    };
    let hint = || conversion(table, column).or_else(numbers);
    (!is_number).then(|| Finding::error(&name.place, message()).maybe_hint(hint()))
}

/// What to do about a column whose values can be made numbers.
fn conversion(table: &Table, column: &Column) -> Option<String> {
    let name = &column.name;
    let number = match (column.type_name.as_str(), column.column_type) {
        ("interval", _) => format!("extract(epoch FROM {name})"),
        ("money", _) => format!("{name}::numeric"),
        (_, ColumnType::Text) if on_sqlite(table) => format!("CAST({name} AS REAL)"),
        (_, ColumnType::Text) => format!("{name}::numeric"),
        _ => return None,
    };
    Some(match (table.kind, column.column_type) {
        (TableKind::Query, _) => format!("let the query select {number}"),
        (_, ColumnType::Text) => {
            format!("if its texts are numbers, let the source be a query that selects {number}")
        }
        _ => format!("let the source be a query that selects {number}"),
    })
}

/// Returns the problem with a condition on `column`, which is one of `table`.
pub fn check_condition(table: &Table, column: &Column, condition: &Located<Condition>) -> Option<Finding> {
    let literals = match &condition.value.test {
        Test::Equals(literal)
        | Test::NotEquals(literal)
        | Test::LessThan(literal)
        | Test::AtMost(literal)
        | Test::GreaterThan(literal)
        | Test::AtLeast(literal) => std::slice::from_ref(literal),
        Test::In(literals) | Test::NotIn(literals) | Test::IsNot(literals) => literals,
        Test::IsNull(_) => &[],
    };
    let wrong = literals.iter().find(|literal| !compares(column.column_type, literal, on_sqlite(table)))?;
    let message = format!(
        "{} is of type {}, which cannot be compared with {}",
        shown(&condition.value.column),
        column.type_name,
        described(wrong)
    );
    Some(Finding::error(&condition.place, message).maybe_hint(literal_hint(column.column_type)))
}

fn compares(column_type: ColumnType, literal: &Literal, sqlite: bool) -> bool {
    match (column_type, literal) {
        // SQLite has no types for booleans and times; it stores them as numbers and texts, such as `t` and `f`.
        (ColumnType::Integer | ColumnType::Number, Literal::Boolean(_))
        | (ColumnType::Boolean, Literal::Number(_) | Literal::Text(_))
        | (ColumnType::Timestamptz | ColumnType::Timestamp | ColumnType::Date, Literal::Number(_)) => sqlite,
        (ColumnType::Boolean, Literal::Boolean(_))
        | (ColumnType::Integer | ColumnType::Number, Literal::Number(_))
        | (ColumnType::Text, Literal::Text(_)) => true,
        (ColumnType::Uuid, Literal::Text(text)) => sqlite || text.parse::<uuid::Uuid>().is_ok(),
        (ColumnType::Timestamptz | ColumnType::Timestamp | ColumnType::Date, Literal::Text(text)) => {
            is_time(text)
        }
        // The database decides whether the comparison is possible.
        (ColumnType::Enumeration | ColumnType::Other, Literal::Text(_)) => true,
        (ColumnType::Other, _) => sqlite,
        _ => false,
    }
}

fn is_time(text: &str) -> bool {
    text.parse::<jiff::Timestamp>().is_ok()
        || text.parse::<jiff::civil::DateTime>().is_ok()
        || text.parse::<jiff::civil::Date>().is_ok()
}

fn described(literal: &Literal) -> String {
    match literal {
        Literal::Boolean(value) => value.to_string(),
        Literal::Number(number) => format!("the number {number}"),
        Literal::Text(text) => format!("the text {}", shown(text)),
    }
}

fn literal_hint(column_type: ColumnType) -> Option<String> {
    let hint = match column_type {
        ColumnType::Boolean => "write true or false",
        ColumnType::Integer | ColumnType::Number => "write a number without quotes",
        ColumnType::Text | ColumnType::Enumeration | ColumnType::Other => "write a text in quotes",
        ColumnType::Uuid => "write a UUID in quotes",
        ColumnType::Timestamptz | ColumnType::Timestamp | ColumnType::Date => {
            "write a date or time in quotes, as in \"2025-01-31\""
        }
    };
    Some(hint.to_owned())
}
