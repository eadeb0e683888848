//! How a SQLite column stores times: SQLite has no type for them, so the values have to say.

use super::dialect::Dialect;
use crate::metric::TimeFormat;

/// Numbers from here on are milliseconds: as seconds they would lie beyond the year 5138.
const FIRST_MILLIS: f64 = 1e11;

/// One pass over the column: the counts that [`format`] decides by.
pub fn query(table: &str, column: &str) -> String {
    let (table, c) = (Dialect::Sqlite.name(table), Dialect::Sqlite.name(column));
    let day = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]";
    let time = "[0-9][0-9]:[0-9][0-9]:[0-9][0-9]";
    // What follows the seconds and their fraction.
    let suffix = format!(
        "CASE substr({c}, 20, 1) WHEN '.' THEN ltrim(substr({c}, 21), '0123456789') ELSE substr({c}, 20) END"
    );
    let utc = format!("({suffix}) IN ('', 'Z', '+00', '+00:00')");
    let parts = [
        format!("count({c})"),
        format!("count(*) FILTER (WHERE typeof({c}) IN ('integer', 'real'))"),
        format!("min({c}) FILTER (WHERE typeof({c}) IN ('integer', 'real'))"),
        format!("count(*) FILTER (WHERE {c} GLOB '{day}')"),
        format!("count(*) FILTER (WHERE {c} GLOB '{day} {time}*' AND {utc})"),
        format!("count(*) FILTER (WHERE {c} GLOB '{day}T{time}*' AND {utc})"),
        // Any offset that SQLite can read: `Z`, `+01:00`; not `+0100`, not ` UTC`.
        format!(
            "count(*) FILTER (WHERE {c} GLOB '{day}[T ]{time}*' AND unixepoch(substr({c}, 1, 19) || {suffix}) IS NOT NULL)"
        ),
    ];
    format!("SELECT 0, json_array({}) FROM {table}", parts.join(", "))
}

/// The format that all values share, or `None`. An empty column may hold any ISO text.
pub fn format(values: &[Option<String>]) -> Option<TimeFormat> {
    let number =
        |index: usize| values.get(index).and_then(Option::as_deref).and_then(|text| text.parse::<f64>().ok());
    let count = |index: usize| number(index).unwrap_or_default();
    let all = count(0);
    let is_all = |part: f64| (part - all).abs() < 0.5;
    let (dates, spaced, lettered, iso) = (count(3), count(4), count(5), count(6));
    if all < 0.5 {
        Some(TimeFormat::Iso)
    } else if is_all(count(1)) {
        let millis = number(2).is_some_and(|smallest| smallest >= FIRST_MILLIS);
        Some(if millis { TimeFormat::UnixMillis } else { TimeFormat::UnixSeconds })
    } else if is_all(dates) {
        Some(TimeFormat::Date)
    } else if is_all(spaced) {
        Some(TimeFormat::IsoUtc)
    } else if is_all(lettered) {
        Some(TimeFormat::IsoUtcT)
    } else {
        is_all(iso + dates).then_some(TimeFormat::Iso)
    }
}
