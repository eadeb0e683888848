//! `order`: by which columns rows are sorted.

use super::{
    error::RestError,
    filter::not_embedded,
    scanner::Scanner,
    select::{column, no_paths},
};
use crate::store::table::{ColumnKind, Order, StoreTable};

/// `column[.asc|.desc][.nullsfirst|.nullslast],…`
pub(super) fn order(table: StoreTable, text: &str) -> Result<Vec<Order>, RestError> {
    let mut scanner = Scanner::new("order", text);
    let mut terms: Vec<Order> = Vec::new();
    loop {
        let term = term(table, &mut scanner)?;
        // A column that is named again has no effect: rows that are equal in it stay equal.
        if terms.iter().all(|earlier| earlier.column != term.column) {
            terms.push(term);
        }
        scanner.skip_spaces();
        if scanner.is_at_end() {
            return Ok(terms);
        }
        scanner.expect(",")?;
    }
}

fn term(table: StoreTable, scanner: &mut Scanner<'_>) -> Result<Order, RestError> {
    let name = scanner.name()?;
    if scanner.rest().starts_with("->") {
        return Err(no_paths(&name));
    }
    if scanner.rest().starts_with('(') {
        return Err(not_embedded(&name));
    }
    let descending = scanner.take(".desc");
    let directed = descending || scanner.take(".asc");
    let nulls_first = match (scanner.take(".nullsfirst"), scanner.take(".nullslast")) {
        (false, false) => None,
        (first, _) => Some(first),
    };
    if scanner.take(".") {
        return Err(scanner.unexpected(match (directed, nulls_first) {
            (_, Some(_)) => "\",\" or end of input",
            (true, None) => "\"nullsfirst\" or \"nullslast\"",
            (false, None) => "\"asc\", \"desc\", \"nullsfirst\" or \"nullslast\"",
        }));
    }
    let column = column(table, &name)?;
    if column.kind == ColumnKind::Object {
        return Err(RestError::not_implemented(format!("sorting by {name}, which is JSON")));
    }
    let order = Order::by(column, descending);
    Ok(Order { nulls_first: nulls_first.unwrap_or(order.nulls_first), ..order })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<Vec<(&'static str, bool, bool)>, RestError> {
        let terms = order(StoreTable::MetricCollectionLog, text)?;
        Ok(terms.iter().map(|term| (term.column.name, term.descending, term.nulls_first)).collect())
    }

    #[test]
    fn nulls_count_as_greatest_unless_said_otherwise() {
        let terms = shown("completed_at, status.desc,kind.asc.nullsfirst,host.desc.nullslast,id.nullsfirst");
        let expected = [
            ("completed_at", false, false),
            ("status", true, true),
            ("kind", false, true),
            ("host", true, false),
            ("id", false, true),
        ];
        assert_eq!(terms.unwrap(), expected);
        assert_eq!(shown("id.desc,id.asc").unwrap(), [("id", true, true)]);
    }

    #[test]
    fn an_invalid_order_has_postgrests_code() {
        for (text, expected) in [
            ("", "PGRST100"),
            ("id.up", "PGRST100"),
            ("id.desc.asc", "PGRST100"),
            ("id.desc,", "PGRST100"),
            ("id;DROP TABLE x", "PGRST100"),
            ("nothing", "42703"),
            ("posts(id)", "PGRST108"),
            ("error_details", "PGRST127"),
            ("error_details->x", "PGRST127"),
        ] {
            assert_eq!(shown(text).unwrap_err().code, expected, "{text}");
        }
    }
}
