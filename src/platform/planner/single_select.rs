//! Checks that a query of the user's own is a single SELECT, which stays inside the brackets that are put around it. PostgreSQL runs one
//! statement of a text and no more; SQLite's driver runs all there are, of which the brackets and EXPLAIN enclose the
//! first one only.

use crate::database::{Fault, FaultClass};

/// # Errors
/// When the query closes a bracket that it did not open, contains a second statement, or leaves a quotation, comment or
/// bracket open.
pub fn require_single_select(sql: &str) -> Result<(), Fault> {
    let refused =
        |why: &str| Err(Fault::new(FaultClass::Sql, format!("the query must be a single SELECT: {why}")));
    // SQLite ends a statement at a NUL.
    if sql.contains('\0') {
        return refused("it has the character NUL");
    }
    let mut rest = sql;
    let mut depth = 0_usize;
    while let Some(character) = rest.chars().next() {
        rest = match (character, rest.as_bytes().get(1)) {
            ('\'' | '"' | '`', _) => match after(&rest[1..], &character.to_string()) {
                Some(rest) => rest,
                None => return refused(&format!("a quotation mark {character} is not closed")),
            },
            ('[', _) => match after(&rest[1..], "]") {
                Some(rest) => rest,
                None => return refused("a bracket [ is not closed"),
            },
            ('-', Some(b'-')) => after(rest, "\n").unwrap_or_default(),
            ('/', Some(b'*')) => match after(&rest[2..], "*/") {
                Some(rest) => rest,
                None => return refused("a comment is not closed"),
            },
            (';', _) => return refused("it has a semicolon"),
            ('(', _) => {
                depth += 1;
                &rest[1..]
            }
            (')', _) => match depth.checked_sub(1) {
                Some(less) => {
                    depth = less;
                    &rest[1..]
                }
                None => return refused("it closes a bracket that it did not open"),
            },
            _ => &rest[character.len_utf8()..],
        };
    }
    if depth == 0 { Ok(()) } else { refused("a bracket ( is not closed") }
}

/// The rest of `text` after the first `end`. A doubled quotation mark ends a text and begins the next one, with the same
/// result.
fn after<'a>(text: &'a str, end: &str) -> Option<&'a str> {
    text.split_once(end).map(|(_, after)| after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_of_any_shape_stays_inside() {
        for sql in [
            "SELECT count(*) AS value FROM posts WHERE body <> 'a;)' AND \"odd)\" = ';' -- ;)",
            "SELECT 'it''s (' AS label, [odd)] AS value /* ;) ' */ FROM `a;b`",
            "WITH a AS (SELECT (1)) SELECT - 1 / 2 AS value FROM a\n-- (",
            "SELECT 'ü)' AS label, 1 - -1 AS value",
        ] {
            assert!(require_single_select(sql).is_ok(), "{sql}");
        }
    }

    #[test]
    fn nothing_breaks_out() {
        for sql in [
            "SELECT 1 AS value) AS answer; ATTACH 'other.db' AS z; SELECT (1",
            "SELECT 1 AS value) AS answer UNION SELECT 2, (3",
            "SELECT 1; SELECT 2",
            "SELECT '1\0'",
            "SELECT 1\0",
            "SELECT 1 /*",
            "SELECT '1",
            "SELECT \"1",
            "SELECT [1",
            "SELECT (1",
            "SELECT '\\') ; SELECT ('",
            "SELECT 1 -- '\n) ; SELECT ('",
            "SELECT 1 /* /* */ ) ; SELECT (1 -- */",
        ] {
            assert!(require_single_select(sql).is_err(), "{sql}");
        }
    }
}
