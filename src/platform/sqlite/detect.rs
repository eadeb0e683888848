//! Detects how a SQLite column stores times from its values, because SQLite has no type for times. It reads a sample:
//! the first and the last rows, some between them, and the least and the largest values if an index has them. The cost
//! does not grow with the table.

use crate::{
    metric::TimeFormat,
    platform::{
        detected_format::{DetectedFormat, UnixTimes},
        planner::dialect::{Dialect, bracketed},
    },
};

/// How many of the first rows are read, and how many of the last.
const ENDS: usize = 2000;
/// How many rows between them are read, at equal distances of their row ids.
const STEPS: usize = 1000;
/// How many of the least values are read, and how many of the largest.
const EXTREMES: usize = 100;

/// A statement that returns, as 1 or 0, whether the table has row ids, whether the column has an index, and whether there is such
/// a table or view at all; otherwise it is the text of a query.
pub fn access_query(table: &str, column: &str) -> String {
    let (table, column) = (Dialect::Sqlite.text(table), Dialect::Sqlite.text(column));
    format!(
        "SELECT 0, json_array(\
         EXISTS (SELECT 1 FROM pragma_table_list WHERE schema = 'main' AND name = {table} AND type = 'table' AND NOT wr), \
         EXISTS (SELECT 1 FROM pragma_index_list({table}) AS l, pragma_index_info(l.name) AS i \
         WHERE NOT l.partial AND i.seqno = 0 AND i.name = {column}), \
         EXISTS (SELECT 1 FROM sqlite_schema WHERE lower(name) = lower({table}) AND type IN ('table', 'view')))"
    )
}

/// The counts from which [`format_of`] decides; `access` is the result of [`access_query`].
pub fn query(table: &str, column: &str, access: &[Option<String>]) -> String {
    let day = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]";
    let minute = "[0-9][0-9]:[0-9][0-9]";
    let time = format!("{minute}:[0-9][0-9]");
    // The part of the text after the seconds and their fraction.
    let suffix =
        "CASE substr(v, 20, 1) WHEN '.' THEN ltrim(substr(v, 21), '0123456789') ELSE substr(v, 20) END";
    let utc = format!("({suffix}) IN ('', 'Z', '+00', '+00:00')");
    let counts = [
        "count(v)".to_owned(),
        "count(*) FILTER (WHERE typeof(v) IN ('integer', 'real'))".to_owned(),
        format!(
            "count(*) FILTER (WHERE typeof(v) IN ('integer', 'real') AND {})",
            UnixTimes::condition(1000)
        ),
        format!("count(*) FILTER (WHERE v GLOB '{day}')"),
        format!("count(*) FILTER (WHERE v GLOB '{day} {time}*' AND {utc})"),
        format!("count(*) FILTER (WHERE v GLOB '{day}T{time}*' AND {utc})"),
        // Any offset that SQLite can read: `Z`, `+01:00`; not `+0100`, not ` UTC`. Seconds may be left out.
        format!(
            "count(*) FILTER (WHERE v GLOB '{day}[T ]{minute}*' AND unixepoch(substr(v, 1, 19) || {suffix}) IS NOT NULL)"
        ),
        "count(*)".to_owned(),
        "count(*) FILTER (WHERE typeof(v) IN ('integer', 'real') AND v = 0)".to_owned(),
        format!("count(*) FILTER (WHERE typeof(v) IN ('integer', 'real') AND {})", UnixTimes::condition(1)),
    ];
    let sample = sample(table, column, access);
    format!("WITH sampled(v) AS (\n  {sample})\nSELECT 0, json_array({}) FROM sampled", counts.join(", "))
}

/// Whether `access`, the result of [`access_query`], is that of a table or a view.
pub fn is_table(access: &[Option<String>]) -> bool {
    access.get(2).and_then(Option::as_deref) == Some("1")
}

fn sample(table: &str, column: &str, access: &[Option<String>]) -> String {
    let c = Dialect::Sqlite.name(column);
    let has = |index: usize| access.get(index).and_then(Option::as_deref) == Some("1");
    let t = if is_table(access) { Dialect::Sqlite.name(table) } else { bracketed(table) };
    let mut parts = vec![format!("SELECT {c} FROM {t} LIMIT {ENDS}")];
    if has(0) {
        parts.push(format!("SELECT {c} FROM {t} ORDER BY _rowid_ DESC LIMIT {ENDS}"));
        parts.push(format!(
            "SELECT (SELECT {c} FROM {t} WHERE _rowid_ >= daymark_first + daymark_step * ((daymark_last - daymark_first) / {STEPS}) \
             ORDER BY _rowid_ LIMIT 1)\n  \
             FROM (SELECT (SELECT min(_rowid_) FROM {t}) AS daymark_first, (SELECT max(_rowid_) FROM {t}) AS daymark_last),\n  \
             (WITH RECURSIVE steps(daymark_step) AS (SELECT 0 UNION ALL SELECT daymark_step + 1 FROM steps LIMIT {STEPS}) SELECT * FROM steps)\n  \
             WHERE daymark_last - daymark_first >= {STEPS}"
        ));
    }
    if has(1) {
        for order in ["", " DESC"] {
            parts.push(format!(
                "SELECT {c} FROM {t} WHERE {c} IS NOT NULL ORDER BY {c}{order} LIMIT {EXTREMES}"
            ));
        }
        // NULL sorts before every other value, so it is the smallest value of a column that contains it.
        parts.push(format!("SELECT {c} FROM {t} WHERE {c} IS NULL LIMIT 1"));
    }
    let parts: Vec<_> = parts.iter().map(|part| format!("SELECT * FROM ({part})")).collect();
    parts.join("\n  UNION ALL ")
}

/// The format of all values, from the counts of [`query`]; `None` if they have several.
pub fn format_of(counts: &[Option<String>]) -> Option<DetectedFormat> {
    let count = |index: usize| -> u64 {
        let text = counts.get(index).and_then(Option::as_deref);
        text.and_then(|text| text.parse().ok()).unwrap_or_default()
    };
    let all = count(0);
    let (numbers, dates, spaced, lettered, iso) = (count(1), count(3), count(4), count(5), count(6));
    let has_null = all < count(7);
    let telling = all - count(8);
    if telling == 0 || numbers == all {
        return UnixTimes { telling, seconds: count(9), millis: count(2), has_null }.format();
    }
    let format = if dates == all {
        TimeFormat::Date
    } else if spaced == all {
        TimeFormat::IsoUtc
    } else if lettered == all {
        TimeFormat::IsoUtcT
    } else if iso + dates == all {
        TimeFormat::Iso
    } else {
        return None;
    };
    Some(DetectedFormat { format: Some(format), has_null, ..DetectedFormat::default() })
}
