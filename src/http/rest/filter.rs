//! Filters: `column=operator.value`, and the trees of them in `and=(…)` and `or=(…)`.

use super::{
    error::{RestError, cut},
    operator::{Place, Predicate, unless},
    scanner::Scanner,
    select::{column, no_paths},
};
use crate::store::table::{RowCondition, StoreTable};

/// How deep `and(…)` and `or(…)` may be within each other.
const MAX_DEPTH: usize = 10;
/// The condition in the parameter `name=text`; `name` is that of a column.
pub(super) fn filter(table: StoreTable, name: &str, text: &str) -> Result<RowCondition, RestError> {
    let mut key = Scanner::new("tree path", name);
    let name = key.name()?;
    if key.rest().starts_with("->") {
        return Err(no_paths(&name));
    }
    if key.take(".") {
        return Err(not_embedded(&name));
    }
    if !key.is_at_end() {
        return Err(key.unexpected("\"->>\", \"->\", delimiter (.) or end of input"));
    }
    let mut scanner = Scanner::new("filter", text);
    let test = Predicate::read(&mut scanner, Place::Parameter)?;
    test.of(column(table, &name)?)
}

/// The condition in `and=(…)`, `or=(…)`, `not.and=(…)` or `not.or=(…)`; `None` if `name` is none of these.
pub(super) fn tree(table: StoreTable, name: &str, text: &str) -> Result<Option<RowCondition>, RestError> {
    let (path, operator) = name.rsplit_once('.').unwrap_or(("", name));
    if !matches!(operator, "and" | "or") {
        return Ok(None);
    }
    let negated = match path {
        "" => false,
        "not" => true,
        embedded => return Err(not_embedded(embedded)),
    };
    let mut scanner = Scanner::new("logic tree", text);
    let condition = Tree(table).branches(&mut scanner, operator, 1)?;
    match scanner.is_at_end() {
        true => Ok(Some(unless(negated, condition))),
        false => Err(scanner.unexpected("end of input")),
    }
}

struct Tree(StoreTable);

impl Tree {
    /// `(…,…)`, joined by `operator`.
    fn branches(
        &self,
        scanner: &mut Scanner<'_>,
        operator: &str,
        depth: usize,
    ) -> Result<RowCondition, RestError> {
        if depth > MAX_DEPTH {
            return Err(scanner.wrong(format!("conditions are more than {MAX_DEPTH} deep")));
        }
        scanner.skip_spaces();
        scanner.expect("(")?;
        let mut parts = Vec::new();
        loop {
            scanner.skip_spaces();
            parts.push(self.branch(scanner, depth)?);
            scanner.skip_spaces();
            if scanner.take(")") {
                scanner.skip_spaces();
                break;
            }
            if !scanner.take(",") {
                return Err(scanner.unexpected("\",\" or \")\""));
            }
        }
        Ok(if operator == "or" { RowCondition::Any(parts) } else { RowCondition::All(parts) })
    }

    /// A comparison, or branches again.
    fn branch(&self, scanner: &mut Scanner<'_>, depth: usize) -> Result<RowCondition, RestError> {
        for (prefix, operator, negated) in
            [("and(", "and", false), ("or(", "or", false), ("not.and(", "and", true), ("not.or(", "or", true)]
        {
            if scanner.rest().starts_with(prefix) {
                scanner.take(&prefix[..prefix.len() - 1]);
                return Ok(unless(negated, self.branches(scanner, operator, depth + 1)?));
            }
        }
        let name = scanner.name()?;
        if scanner.rest().starts_with("->") {
            return Err(no_paths(&name));
        }
        scanner.expect(".")?;
        let test = Predicate::read(scanner, Place::Tree)?;
        test.of(column(self.0, &name)?)
    }
}

/// The error for a name that could only be that of an embedded table.
pub(super) fn not_embedded(name: &str) -> RestError {
    let name = cut(name);
    RestError::bad_request("PGRST108", format!("'{name}' is not an embedded resource in this request"))
        .hint(format!("Verify that '{name}' is included in the 'select' query parameter."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{http::rest::operator::MAX_VALUES, store::table::Value};

    fn read(name: &str, text: &str) -> Result<RowCondition, RestError> {
        match tree(StoreTable::DailyMetrics, name, text)? {
            Some(condition) => Ok(condition),
            None => filter(StoreTable::DailyMetrics, name, text),
        }
    }

    fn category(values: &[&str]) -> RowCondition {
        let values = values.iter().map(|text| Value::Text((*text).to_owned())).collect();
        RowCondition::In { column: column(StoreTable::DailyMetrics, "metric_category").unwrap(), values }
    }

    #[test]
    fn lists_are_quoted_as_postgrest_has_it() {
        for (text, values) in [
            ("in.(a,b)", &["a", "b"][..]),
            ("in.()", &[]),
            ("in.(\"a,b\",c\"d\",\"e\\\"f\\\\\")", &["a,b", "c\"d\"", "e\"f\\"]),
            ("in.(\"a.b:c\", d)", &["a.b:c", " d"]),
            ("in.(a,,b)", &["a", "", "b"]),
        ] {
            assert_eq!(read("metric_category", text).unwrap(), category(values), "{text}");
        }
    }

    #[test]
    fn trees_nest_and_negate() {
        let condition = read(
            "not.or",
            "(metric_category.in.(a),and(metric_category.not.in.(\"b)\"),not.or(metric_category.in.(c))))",
        );
        let not = |condition| RowCondition::Not(Box::new(condition));
        let inner =
            RowCondition::All(vec![not(category(&["b)"])), not(RowCondition::Any(vec![category(&["c"])]))]);
        assert_eq!(condition.unwrap(), not(RowCondition::Any(vec![category(&["a"]), inner])));
    }

    #[test]
    fn values_may_hold_anything() {
        let RowCondition::Compare { value, .. } = read("metric_category", "eq.in.(a,\"b").unwrap() else {
            panic!("no comparison")
        };
        assert_eq!(value, Value::Text("in.(a,\"b".to_owned()));
    }

    #[test]
    fn invalid_filters_have_postgrests_code() {
        let deep = format!("{}value.eq.1{}", "(and".repeat(100), ")".repeat(100));
        let long = format!("in.({})", "1,".repeat(MAX_VALUES + 1));
        for (name, text, expected) in [
            ("value", "", "PGRST100"),
            ("value", "1", "PGRST100"),
            ("value", "equals.1", "PGRST100"),
            ("value", "eq.", "22P02"),
            ("value", "eq.null", "22P02"),
            ("value", "in.(1", "PGRST100"),
            ("value", "in.(1)x", "PGRST100"),
            ("value", "in.(1,x)", "22P02"),
            ("value", &long, "PGRST100"),
            ("value", "is.nul", "PGRST100"),
            ("value", "is.nullx", "PGRST100"),
            ("value", "is.true", "42804"),
            ("value", "like.%", "PGRST127"),
            ("value", "eq(any).{1}", "PGRST127"),
            ("value", "not.not.eq.1", "PGRST100"),
            ("metadata", "eq.{}", "PGRST127"),
            ("metadata->x", "eq.1", "PGRST127"),
            ("valu", "eq.1", "42703"),
            ("tenant_id", "eq.default", "42703"),
            ("posts.value", "eq.1", "PGRST108"),
            ("posts.or", "(value.eq.1)", "PGRST108"),
            ("or", "(value.eq.1", "PGRST100"),
            ("or", "(value.eq.1))", "PGRST100"),
            ("or", "()", "PGRST100"),
            ("or", "value.eq.1", "PGRST100"),
            ("and", &deep, "PGRST100"),
        ] {
            assert_eq!(read(name, text).unwrap_err().code, expected, "{name}={text}");
        }
        assert!(read("metadata", "is.null").is_ok());
    }
}
