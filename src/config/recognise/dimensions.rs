//! Recognises what of a table is worth measuring: columns with money, durations, and few different values.

use crate::{
    config::recognise::names::words,
    platform::{Column, ColumnType, TableStatistics},
};

const MONEY: &[&str] = &[
    "amount", "price", "total", "subtotal", "cost", "costs", "fee", "fees", "revenue", "discount", "tax",
    "paid", "payout", "refund", "salary", "budget", "money", "turnover", "mrr", "arr",
];
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
/// Words of names of numbers that are something else although another word looks like a quantity: `total_count`, `price_id`.
const NOT_QUANTITIES: &[&str] = &[
    "id", "count", "number", "at", "on", "date", "by", "type", "currency", "code", "position", "rate",
    "offset",
];
/// Last words of names of texts that have few different values.
const DIMENSIONS: &[&str] = &[
    "status",
    "state",
    "type",
    "kind",
    "category",
    "country",
    "language",
    "locale",
    "lang",
    "plan",
    "tier",
    "level",
    "priority",
    "severity",
    "role",
    "channel",
    "source",
    "medium",
    "platform",
    "device",
    "browser",
    "os",
    "currency",
    "genre",
    "gender",
    "region",
    "visibility",
    "method",
    "provider",
    "reason",
    "stage",
    "outcome",
    "result",
    "grade",
    "format",
    "mode",
    "section",
    "topic",
];
/// Types of PostgreSQL that are neither texts nor enumerations.
const NOT_ENUMERATIONS: &[&str] = &[
    "json",
    "jsonb",
    "bytea",
    "inet",
    "cidr",
    "tsvector",
    "xml",
    "interval",
    "bit",
    "bit varying",
    "point",
    "money",
];
/// The fewest and the most different values of a column by which rows are broken down.
const FEW: std::ops::RangeInclusive<usize> = 2..=20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    Money,
    Duration,
}

/// What a column of numbers measures, by its name.
pub fn quantity(column: &Column) -> Option<Quantity> {
    if !matches!(column.column_type, ColumnType::Integer | ColumnType::Number) {
        return None;
    }
    let words = words(&column.name);
    let has = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    match (has(NOT_QUANTITIES), has(DURATIONS), has(MONEY)) {
        (true, ..) => None,
        (_, true, _) => Some(Quantity::Duration),
        (_, _, true) => Some(Quantity::Money),
        _ => None,
    }
}

/// Whether the column may have few different values, by its name and type; its values are then needed to decide.
pub fn may_be_dimension(column: &Column) -> bool {
    let is_named = || words(&column.name).last().is_some_and(|last| DIMENSIONS.contains(&last.as_str()));
    match column.column_type {
        ColumnType::Text => is_named(),
        ColumnType::Other => !NOT_ENUMERATIONS.contains(&column.type_name.as_str()) && is_named(),
        _ => false,
    }
}

/// How many different values the column has, if these are few.
pub fn dimension(column: &Column, statistics: Option<&TableStatistics>) -> Option<usize> {
    let values = statistics?.values.get(&column.name).filter(|_| may_be_dimension(column))?.len();
    FEW.contains(&values).then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, column_type: ColumnType) -> Column {
        Column {
            name: name.to_owned(),
            column_type,
            type_name: String::new(),
            nullable: true,
            defaults_to_now: false,
            indexed: false,
            distinct_estimate: None,
        }
    }

    #[test]
    fn money_and_durations_are_known_by_their_names() {
        let of = |name: &str| quantity(&column(name, ColumnType::Number));
        for name in ["amount", "total_price", "amount_cents", "unitPrice", "order_total"] {
            assert_eq!(of(name), Some(Quantity::Money), "{name}");
        }
        for name in ["duration_seconds", "call_minutes", "response_latency_ms"] {
            assert_eq!(of(name), Some(Quantity::Duration), "{name}");
        }
        for name in ["price_id", "total_count", "score", "id", "tax_rate"] {
            assert_eq!(of(name), None, "{name}");
        }
        assert_eq!(quantity(&column("amount", ColumnType::Text)), None);
    }

    #[test]
    fn a_text_with_few_values_is_a_dimension() {
        let mut statistics = TableStatistics::default();
        let values = |count: usize| (0..count).map(|n| n.to_string()).collect();
        statistics.values.insert("status".to_owned(), values(3));
        statistics.values.insert("country".to_owned(), values(1));
        let of = |name: &str| dimension(&column(name, ColumnType::Text), Some(&statistics));
        assert_eq!((of("status"), of("country"), of("plan")), (Some(3), None, None));
        assert!(!may_be_dimension(&column("title", ColumnType::Text)));
    }
}
