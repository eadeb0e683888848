//! Detects whether a PostgreSQL column of numbers has seconds or milliseconds since 1970, from a sample of its values. The type of every
//! other column determines how it stores times.

use crate::platform::{
    detected_format::{DetectedFormat, UnixTimes},
    planner::dialect::Dialect,
};

/// How many rows are read.
const SAMPLE: usize = 2000;

/// The counts from which [`format_of`] decides, for a table on the search path.
pub fn query(table: &str, column: &str) -> String {
    let dialect = Dialect::Postgres;
    let counts = [
        "count(v)".to_owned(),
        format!("count(*) FILTER (WHERE {})", UnixTimes::condition(1000)),
        // A 0 stands for "not yet".
        "count(*) FILTER (WHERE v = 0)".to_owned(),
        "count(*)".to_owned(),
        format!("count(*) FILTER (WHERE {})", UnixTimes::condition(1)),
    ];
    let (table, column) = (dialect.name(table), dialect.name(column));
    format!(
        "SELECT 0::int8, {} FROM (SELECT {column} AS v FROM {table} LIMIT {SAMPLE}) AS sampled",
        dialect.pack(&counts)
    )
}

/// The format, from the counts of [`query`]; `None` if the numbers have both.
pub fn format_of(counts: &[Option<String>]) -> Option<DetectedFormat> {
    let count = |index: usize| -> u64 {
        let text = counts.get(index).and_then(Option::as_deref);
        text.and_then(|text| text.parse().ok()).unwrap_or_default()
    };
    let (filled, millis, zero, all, seconds) = (count(0), count(1), count(2), count(3), count(4));
    UnixTimes { telling: filled - zero, seconds, millis, has_null: filled < all }.format()
}
