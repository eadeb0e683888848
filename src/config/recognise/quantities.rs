//! Recognises columns of numbers with money and durations, and the column with the currency of the money.

use crate::{
    config::recognise::names::words,
    platform::{Column, ColumnType, Table, TableStatistics},
};

const MONEY: &[&str] = &[
    "amount", "price", "total", "subtotal", "cost", "costs", "fee", "fees", "revenue", "discount", "tax",
    "paid", "payout", "refund", "salary", "budget", "money", "turnover", "mrr", "arr", "bill", "charge",
    "charges", "rent", "wage", "wages", "tip", "donation", "payment",
];
/// Last words of names of columns with the price of one piece, which does not add up over rows.
const PRICES: &[&str] = &["price"];
const DURATIONS: &[&str] = &[
    "duration",
    "seconds",
    "secs",
    "minutes",
    "hours",
    "millis",
    "milliseconds",
    "latency",
    "elapsed",
    "runtime",
];
/// Words that exclude a column although another word of its name is one of money or a duration: `total_count`, `price_id`,
/// `discount_percent`, `is_paid`.
const NOT_QUANTITIES: &[&str] = &[
    "id",
    "count",
    "number",
    "at",
    "on",
    "date",
    "by",
    "type",
    "currency",
    "code",
    "position",
    "rate",
    "offset",
    "percent",
    "percentage",
    "pct",
    "ratio",
    "is",
    "has",
    "score",
    "points",
    "votes",
    "views",
    "clicks",
    "downloads",
    "visits",
    "likes",
    "items",
    "pieces",
    "units",
    "quantity",
    "qty",
    "bytes",
    "size",
    "weight",
    "users",
    "members",
    "orders",
    "rank",
    "level",
    "version",
];
/// Words of names of numbers with two decimal places that are measurements and not money.
const MEASURED: &[&str] = &[
    "lat",
    "lon",
    "lng",
    "latitude",
    "longitude",
    "height",
    "width",
    "length",
    "depth",
    "distance",
    "km",
    "miles",
    "area",
    "volume",
    "temperature",
    "rating",
    "grade",
    "gpa",
    "share",
    "speed",
];
/// The least precision, in digits, of a decimal type with two decimal places, such as `numeric(10,2)`, whose values are taken for money.
/// Ratings and shares have fewer digits.
const DIGITS_OF_MONEY: u32 = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// Amounts, which add up over rows.
    Money,
    Price,
    Duration,
}

/// What a column of numbers measures, by its name, or by a type such as `numeric(10,2)`.
pub fn quantity(column: &Column) -> Option<Quantity> {
    if !matches!(column.column_type, ColumnType::Integer | ColumnType::Number) {
        return None;
    }
    let words = words(&column.name);
    let has = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    // An integer column called `paid` is a flag with the values 0 and 1.
    let is_flag = column.column_type == ColumnType::Integer && words == ["paid"];
    let is_price = words.last().is_some_and(|last| PRICES.contains(&last.as_str())) && !has(&["total"]);
    match (is_flag || has(NOT_QUANTITIES), has(DURATIONS), has(MONEY)) {
        (true, ..) => None,
        (_, true, _) => Some(Quantity::Duration),
        (_, _, true) if is_price => Some(Quantity::Price),
        (_, _, true) => Some(Quantity::Money),
        _ if !has(MEASURED) && has_cents(&column.type_name) => Some(Quantity::Money),
        _ => None,
    }
}

/// Whether a type is one of decimal numbers with two decimal places and enough digits for money.
fn has_cents(type_name: &str) -> bool {
    let plain: String = type_name.to_lowercase().chars().filter(|c| !c.is_whitespace()).collect();
    let digits = plain.strip_suffix(",2)").and_then(|name| name.split_once('('));
    digits.is_some_and(|(name, digits)| {
        ["numeric", "decimal"].contains(&name)
            && digits.parse::<u32>().is_ok_and(|digits| digits >= DIGITS_OF_MONEY)
    })
}

/// The column with the currency of each row's money.
fn currency_column(table: &Table) -> Option<&Column> {
    let is_currency = |column: &&Column| {
        let words = words(&column.name);
        let is_text = matches!(column.column_type, ColumnType::Text | ColumnType::Enumeration);
        is_text
            && (words.ends_with(&["currency".to_owned()])
                || words.ends_with(&["currency".to_owned(), "code".to_owned()]))
    };
    table.columns.iter().find(is_currency)
}

/// The same, unless all rows have one currency.
pub fn several_currencies<'a>(table: &'a Table, statistics: Option<&TableStatistics>) -> Option<&'a Column> {
    let column = currency_column(table)?;
    let values = statistics.and_then(|statistics| statistics.values.get(&column.name));
    values.is_none_or(|values| values.len() > 1).then_some(column)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, column_type: ColumnType) -> Column {
        Column::of_query(name, column_type, "")
    }

    #[test]
    fn money_and_durations_are_known_by_their_names() {
        let of = |name: &str| quantity(&column(name, ColumnType::Number));
        for name in ["amount", "total_price", "amount_cents", "shipping_cost", "order_total", "paid"] {
            assert_eq!(of(name), Some(Quantity::Money), "{name}");
        }
        for name in ["price", "unitPrice", "list_price"] {
            assert_eq!(of(name), Some(Quantity::Price), "{name}");
        }
        for name in ["duration_seconds", "call_minutes", "response_latency_ms"] {
            assert_eq!(of(name), Some(Quantity::Duration), "{name}");
        }
        let others = [
            "price_id",
            "total_count",
            "score",
            "id",
            "tax_rate",
            "total_views",
            "discount_percent",
            "is_paid",
        ];
        for name in others {
            assert_eq!(of(name), None, "{name}");
        }
        for name in ["bill", "parking_fee", "rent"] {
            assert_eq!(of(name), Some(Quantity::Money), "{name}");
        }
        assert_eq!(quantity(&column("amount", ColumnType::Text)), None);
        assert_eq!(quantity(&column("paid", ColumnType::Integer)), None, "a flag");
    }

    #[test]
    fn decimal_types_with_cents_are_money_unless_the_name_says_otherwise() {
        let of = |name: &str, type_name: &str| {
            quantity(&Column::of_query(name, ColumnType::Number, type_name)).is_some()
        };
        for (name, type_name, is_money) in [
            ("settled", "numeric(10,2)", true),
            ("settled", "DECIMAL(12, 2)", true),
            ("settled", "numeric", false),
            ("settled", "numeric(10,4)", false),
            ("stars", "numeric(3,2)", false),
            ("latitude", "numeric(10,2)", false),
            ("tax_rate", "numeric(10,2)", false),
        ] {
            assert_eq!(of(name, type_name), is_money, "{name} {type_name}");
        }
    }
}
