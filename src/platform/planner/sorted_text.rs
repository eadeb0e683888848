//! Texts of a SQLite column whose order is the order of the times. The column may also hold other texts, which have a
//! place in that order too: `11/27/2026` sorts among the years of the twelfth century. Their rows are in no day.

/// Texts that sort before this one ("", "0000-00-00 00:00:00") are not times. It does not look like a number, which a column
/// of type DATETIME would compare it as.
pub const EARLIEST_TEXT: &str = "'0001-'";

/// The condition that the text begins with a date that exists: SQLite takes the 30th of February for the 2nd of March.
pub fn begins_with_a_date(text: &str) -> String {
    format!("(date(substr({text}, 1, 10)) IS substr({text}, 1, 10) AND {text} >= {EARLIEST_TEXT})")
}

/// A query that answers with a text from `first` to before `end` that is not a time, if there is one. It goes from date to
/// date along an index of the column, so that it takes a look-up for each date and not for each row.
pub fn other_text_query(column: &str, table: &str, first: &str, end: &str) -> String {
    let is_time = begins_with_a_date("daymark_text");
    format!(
        "WITH RECURSIVE daymark_dates (daymark_text) AS (
  SELECT min({column}) FROM {table} WHERE {column} >= {first}
  UNION ALL
  SELECT (SELECT min({column}) FROM {table} WHERE {column} > max(daymark_text, substr(daymark_text, 1, 10) || '~'))
  FROM daymark_dates WHERE daymark_text < {end})
SELECT 0, json_array(daymark_text) FROM daymark_dates WHERE daymark_text < {end} AND NOT {is_time} LIMIT 1"
    )
}
