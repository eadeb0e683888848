//! Reads filters such as `filter = { status = "published", score = { at_least = 3 } }`.

use toml_edit::{Item, Value};

use crate::{
    config::{
        file::document::{Section, decimal},
        finding::Located,
        suggest::shown,
    },
    metric::{Condition, Literal, Test},
};

/// Reads the `filter` of a source or a metric.
pub fn read_filter(section: &Section) -> Option<Located<Vec<Located<Condition>>>> {
    let filter = section.section("filter")?;
    let mut conditions = Vec::new();
    for key in filter.keys() {
        match joined_columns(&filter, key) {
            Some(columns) => {
                for column in columns.keys() {
                    conditions.extend(conditions_on(format!("{key}.{column}"), &columns, column));
                }
                columns.finish();
            }
            None => conditions.extend(conditions_on(key.to_owned(), &filter, key)),
        }
    }
    let place = filter.place();
    filter.finish();
    Some(Located::new(conditions, place))
}

fn conditions_on<'a>(name: String, section: &Section<'a>, key: &'a str) -> Vec<Located<Condition>> {
    let place = section.place_of(key);
    let tests = read_tests(section, key).into_iter();
    tests.map(|test| Located::new(Condition { column: name.clone(), test }, place.clone())).collect()
}

/// The names of conditions.
const TESTS: [&str; 10] = [
    "equals",
    "not_equals",
    "in",
    "not_in",
    "less_than",
    "at_most",
    "greater_than",
    "at_least",
    "is_not",
    "is_null",
];

/// The section of a dotted key such as `account.plan`, which names a column through a foreign key; `None` for `score.at_least`, which
/// is a condition on the column `score`.
fn joined_columns<'a>(filter: &Section<'a>, key: &'a str) -> Option<Section<'a>> {
    let (is_dotted, table): (_, &dyn toml_edit::TableLike) = match filter.item(key)? {
        Item::Value(Value::InlineTable(table)) => (table.is_dotted(), table),
        Item::Table(table) => (table.is_dotted(), table),
        _ => return None,
    };
    let names_a_test = table.iter().any(|(name, _)| TESTS.contains(&name));
    if is_dotted && !names_a_test { filter.section(key) } else { None }
}

fn read_tests<'a>(filter: &Section<'a>, column: &'a str) -> Vec<Test> {
    match filter.item(column) {
        Some(Item::Value(Value::Array(_))) => read_list(filter, column).map(Test::In).into_iter().collect(),
        Some(Item::Value(Value::InlineTable(_)) | Item::Table(_)) => {
            filter.section(column).map(named_tests).unwrap_or_default()
        }
        Some(_) => read_literal(filter, column).map(Test::Equals).into_iter().collect(),
        None => Vec::new(),
    }
}

/// Reads named conditions such as `{ at_least = 3, less_than = 10 }`.
fn named_tests(section: Section) -> Vec<Test> {
    let one = |key, test: fn(Literal) -> Test| read_literal(&section, key).map(test);
    let list = |key, test: fn(Vec<Literal>) -> Test| read_list(&section, key).map(test);
    let tests: Vec<_> = [
        one("equals", Test::Equals),
        one("not_equals", Test::NotEquals),
        list("in", Test::In),
        list("not_in", Test::NotIn),
        one("less_than", Test::LessThan),
        one("at_most", Test::AtMost),
        one("greater_than", Test::GreaterThan),
        one("at_least", Test::AtLeast),
        list("is_not", Test::IsNot),
        section.boolean("is_null").map(|is_null| Test::IsNull(is_null.value)),
    ]
    .into_iter()
    .flatten()
    .collect();
    if section.keys().is_empty() {
        let hint = "write a condition, as in `score = { at_least = 3 }`";
        section.section_problem("the condition is empty", Some(hint.to_owned()));
    }
    section.finish();
    tests
}

fn read_literal<'a>(section: &Section<'a>, key: &'a str) -> Option<Literal> {
    let item = section.item(key)?;
    let literal = item.as_value().and_then(literal);
    if literal.is_none() {
        wrong_literal(section, key);
    }
    literal
}

fn read_list<'a>(section: &Section<'a>, key: &'a str) -> Option<Vec<Literal>> {
    let item = section.item(key)?;
    let literals = item.as_array().and_then(|list| list.iter().map(literal).collect::<Option<Vec<_>>>());
    match literals {
        Some(literals) if !literals.is_empty() => Some(literals),
        Some(_) => {
            section.problem(
                key,
                format!("the list of {} is empty, so that no row would match", shown(key)),
                None,
            );
            None
        }
        None => {
            wrong_literal(section, key);
            None
        }
    }
}

fn wrong_literal(section: &Section, key: &str) {
    let message = format!("{} must be compared with a string, a finite number, true or false", shown(key));
    let hint = "a list of values matches any of them; a date is written as a string: \"2025-01-31\"";
    section.problem(key, message, Some(hint.to_owned()));
}

fn literal(value: &Value) -> Option<Literal> {
    match value {
        // No database accepts a NUL character in a text.
        Value::String(text) => (!text.value().contains('\0')).then(|| Literal::Text(text.value().clone())),
        Value::Boolean(value) => Some(Literal::Boolean(*value.value())),
        number => decimal(number).map(Literal::Number),
    }
}
