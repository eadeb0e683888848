//! Recognises columns that have few different values, by which rows are broken down.

use std::collections::BTreeSet;

use crate::{
    config::recognise::{
        flags::{is_mark, is_state},
        names::{plain, words},
    },
    platform::{Column, ColumnType, Table, TableStatistics},
};

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
/// Words of names of texts that have a value of their own in nearly every row, so that their values are not even looked at.
const FREE_TEXTS: &[&str] = &[
    "id",
    "uuid",
    "guid",
    "key",
    "token",
    "hash",
    "digest",
    "signature",
    "secret",
    "password",
    "salt",
    "name",
    "title",
    "subject",
    "slug",
    "label",
    "caption",
    "headline",
    "body",
    "text",
    "content",
    "description",
    "summary",
    "comment",
    "message",
    "note",
    "notes",
    "bio",
    "about",
    "html",
    "markdown",
    "url",
    "uri",
    "link",
    "path",
    "file",
    "filename",
    "image",
    "avatar",
    "photo",
    "email",
    "mail",
    "phone",
    "address",
    "street",
    "zip",
    "postcode",
    "ip",
    "agent",
    "data",
    "json",
    "payload",
    "metadata",
    "params",
    "config",
    "settings",
    "query",
    "error",
    "stacktrace",
    "trace",
    "number",
    "code",
    "sku",
    "isbn",
    "at",
    "on",
    "date",
    "time",
];
/// Names of columns that name the row, such as the title of a campaign, in lower case and without separators; the most likely first.
const NAMES: &[&str] = &["name", "title", "label", "displayname", "fullname", "shortname"];
/// Types of PostgreSQL that are neither texts nor enumerations, whatever the name of the column says.
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
/// A text whose name says nothing is one of few values only if it has few in that many rows.
const MIN_ROWS_OF_UNNAMED: u64 = 1000;

/// A column by which rows are broken down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dimension {
    /// How many different values it has.
    pub values: usize,
    pub certainty: Certainty,
}

/// How it is known that a column has few different values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// Its type lists them, or its name is one of a kind or a state.
    Kind,
    YesOrNo,
    /// Neither does, but it has few different values so far.
    Guess,
}

/// Whether the column may have few different values, by its name and type; its values are then needed to decide.
pub fn may_be_dimension(column: &Column) -> bool {
    match column.column_type {
        ColumnType::Enumeration => true,
        ColumnType::Text => is_named(column) || !is_free_text(column),
        ColumnType::Boolean => !is_for_filter(column),
        // Many databases store yes and no as 1 and 0.
        ColumnType::Integer => !is_for_filter(column) && !is_free_text(column),
        ColumnType::Other => !NOT_ENUMERATIONS.contains(&column.type_name.as_str()) && is_named(column),
        _ => false,
    }
}

/// The column as one by which rows are broken down, if it has few different values.
pub fn dimension(column: &Column, statistics: Option<&TableStatistics>) -> Option<Dimension> {
    let statistics = statistics?;
    let values = statistics.values.get(&column.name).filter(|_| may_be_dimension(column))?;
    let says_yes_or_no = match column.column_type {
        ColumnType::Boolean => true,
        ColumnType::Integer => values.iter().all(|value| value == "0" || value == "1"),
        _ => false,
    };
    let certainty = match column.column_type {
        _ if says_yes_or_no => Certainty::YesOrNo,
        ColumnType::Integer => return None,
        ColumnType::Text if is_documents(values) => return None,
        _ if column.column_type == ColumnType::Enumeration || is_named(column) => Certainty::Kind,
        _ if are_numbers_or_times(values) => return None,
        _ => Certainty::Guess,
    };
    let is_sure =
        certainty != Certainty::Guess || statistics.rows.is_some_and(|rows| rows >= MIN_ROWS_OF_UNNAMED);
    (FEW.contains(&values.len()) && is_sure).then_some(Dimension { values: values.len(), certainty })
}

/// Whether the column marks rows that do not count, so that it belongs in a filter.
fn is_for_filter(column: &Column) -> bool {
    is_mark(column) && !is_state(&words(&column.name))
}

/// Whether the texts are JSON or XML.
fn is_documents(values: &BTreeSet<String>) -> bool {
    values.iter().any(|value| value.starts_with(['{', '[', '<']))
}

/// Whether all texts are numbers, or all begin as a date or a time of day does.
fn are_numbers_or_times(values: &BTreeSet<String>) -> bool {
    let is_number = |value: &String| value.trim().parse::<f64>().is_ok();
    let is_time = |value: &String| {
        let day = value.get(..10).is_some_and(|day| day.parse::<jiff::civil::Date>().is_ok());
        day || value.parse::<jiff::civil::Time>().is_ok()
    };
    values.iter().all(is_number) || values.iter().all(is_time)
}

/// The column that names a row of the table, such as `campaigns.title`.
pub fn name_column(table: &Table) -> Option<&Column> {
    let texts = || table.columns.iter().filter(|column| column.column_type == ColumnType::Text);
    NAMES.iter().find_map(|name| texts().find(|column| plain(&column.name) == *name))
}

fn is_named(column: &Column) -> bool {
    words(&column.name).last().is_some_and(|last| DIMENSIONS.contains(&last.as_str()))
}

fn is_free_text(column: &Column) -> bool {
    words(&column.name).iter().any(|word| FREE_TEXTS.contains(&word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, column_type: ColumnType) -> Column {
        Column::of_query(name, column_type, "")
    }

    #[test]
    fn a_column_with_few_values_is_a_dimension() {
        let values = |count: usize| (0..count).map(|n| format!("value {n}")).collect();
        let of = |name: &str, column_type, count: usize, rows: u64| {
            let mut statistics = TableStatistics { rows: Some(rows), ..TableStatistics::default() };
            statistics.values.insert(name.to_owned(), values(count));
            dimension(&column(name, column_type), Some(&statistics)).map(|found| found.certainty)
        };
        assert_eq!(of("status", ColumnType::Text, 3, 50), Some(Certainty::Kind));
        assert_eq!(of("status", ColumnType::Text, 1, 50), None);
        assert_eq!(of("mood", ColumnType::Enumeration, 3, 50), Some(Certainty::Kind), "its type has a list");
        assert_eq!(of("department", ColumnType::Text, 3, 50), None, "few rows");
        assert_eq!(of("department", ColumnType::Text, 3, 1000), Some(Certainty::Guess));
        assert_eq!(of("department", ColumnType::Text, 21, 1000), None);
        assert_eq!(of("title", ColumnType::Text, 3, 1000), None, "a free text");
        assert_eq!(of("place", ColumnType::Other, 3, 1000), None, "a type such as geometry");
        assert_eq!(dimension(&column("plan", ColumnType::Text), Some(&TableStatistics::default())), None);
    }

    #[test]
    fn yes_and_no_are_a_dimension_and_documents_numbers_and_times_are_none() {
        let of = |name: &str, column_type, values: &[&str]| {
            let mut statistics = TableStatistics { rows: Some(5000), ..TableStatistics::default() };
            statistics.values.insert(name.to_owned(), values.iter().map(ToString::to_string).collect());
            dimension(&column(name, column_type), Some(&statistics)).map(|found| found.certainty)
        };
        assert_eq!(of("completed", ColumnType::Boolean, &["false", "true"]), Some(Certainty::YesOrNo));
        assert_eq!(of("completed", ColumnType::Integer, &["0", "1"]), Some(Certainty::YesOrNo));
        assert_eq!(of("completed", ColumnType::Integer, &["0", "1", "2"]), None);
        assert_eq!(of("deleted", ColumnType::Boolean, &["false", "true"]), None, "it belongs in a filter");
        assert_eq!(of("details", ColumnType::Text, &["{\"room\":1}", "{\"room\":2}"]), None);
        assert_eq!(of("kind", ColumnType::Text, &["{}", "{\"room\":2}"]), None);
        assert_eq!(of("seconds_listened", ColumnType::Text, &["30", "60.5"]), None);
        assert_eq!(
            of("priority", ColumnType::Text, &["1", "2"]),
            Some(Certainty::Kind),
            "its name says what it is"
        );
        assert_eq!(of("opens", ColumnType::Text, &["08:00", "09:30"]), None);
        assert_eq!(of("weekday", ColumnType::Text, &["2025-01-01", "2025-01-02"]), None);
    }
}
