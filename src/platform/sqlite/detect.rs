//! How a SQLite column stores times: SQLite has no type for them, so the values have to say.

use crate::{
    metric::TimeFormat,
    platform::{contract::DetectedFormat, planner::dialect::Dialect},
};

/// Numbers from here on are milliseconds: as seconds they would lie beyond the year 5138.
const FIRST_MILLIS: f64 = 1e11;

/// One pass over the column: the counts that [`told`] decides by.
pub fn query(table: &str, column: &str) -> String {
    let (table, c) = (Dialect::Sqlite.name(table), Dialect::Sqlite.name(column));
    let day = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]";
    let minute = "[0-9][0-9]:[0-9][0-9]";
    let time = format!("{minute}:[0-9][0-9]");
    // What follows the seconds and their fraction.
    let suffix = format!(
        "CASE substr({c}, 20, 1) WHEN '.' THEN ltrim(substr({c}, 21), '0123456789') ELSE substr({c}, 20) END"
    );
    let utc = format!("({suffix}) IN ('', 'Z', '+00', '+00:00')");
    let parts = [
        format!("count({c})"),
        format!("count(*) FILTER (WHERE typeof({c}) IN ('integer', 'real'))"),
        format!("count(*) FILTER (WHERE typeof({c}) IN ('integer', 'real') AND {c} >= {FIRST_MILLIS})"),
        format!("count(*) FILTER (WHERE {c} GLOB '{day}')"),
        format!("count(*) FILTER (WHERE {c} GLOB '{day} {time}*' AND {utc})"),
        format!("count(*) FILTER (WHERE {c} GLOB '{day}T{time}*' AND {utc})"),
        // Any offset that SQLite can read: `Z`, `+01:00`; not `+0100`, not ` UTC`. Seconds may be left out.
        format!(
            "count(*) FILTER (WHERE {c} GLOB '{day}[T ]{minute}*' AND unixepoch(substr({c}, 1, 19) || {suffix}) IS NOT NULL)"
        ),
        "count(*)".to_owned(),
        format!("count(*) FILTER (WHERE typeof({c}) IN ('integer', 'real') AND {c} = 0)"),
    ];
    format!("SELECT 0, json_array({}) FROM {table}", parts.join(", "))
}

/// What all values share; `None` when they share no format.
pub fn told(values: &[Option<String>]) -> Option<DetectedFormat> {
    let number =
        |index: usize| values.get(index).and_then(Option::as_deref).and_then(|text| text.parse::<f64>().ok());
    let count = |index: usize| number(index).unwrap_or_default();
    let all = count(0);
    let is_all = |part: f64| (part - all).abs() < 0.5;
    let (dates, spaced, lettered, iso) = (count(3), count(4), count(5), count(6));
    let has_null = !is_all(count(7));
    // A 0 stands for "unknown" or "not yet", and is a number of either.
    let telling = all - count(8);
    if telling < 0.5 {
        return Some(DetectedFormat { format: None, has_null });
    }
    let format = if is_all(count(1)) {
        // The greater part decides, so that a far future for "never" does not.
        if 2.0 * count(2) > telling { TimeFormat::UnixMillis } else { TimeFormat::UnixSeconds }
    } else if is_all(dates) {
        TimeFormat::Date
    } else if is_all(spaced) {
        TimeFormat::IsoUtc
    } else if is_all(lettered) {
        TimeFormat::IsoUtcT
    } else if is_all(iso + dates) {
        TimeFormat::Iso
    } else {
        return None;
    };
    Some(DetectedFormat { format: Some(format), has_null })
}
