//! Checks that a query of the user's own is a single SELECT, which stays inside the brackets that are put around it. PostgreSQL runs only
//! one statement of a text, but a query that closes the brackets would change the statement around it. SQLite's driver runs all statements
//! of a text, and the brackets and EXPLAIN enclose only the first one.

use super::dialect::Dialect;
use crate::database::{Fault, FaultClass};

/// # Errors
/// When the query closes a bracket that it did not open, contains a second statement, or leaves a quotation, comment or
/// bracket open.
pub fn require_single_select(dialect: Dialect, sql: &str) -> Result<(), Fault> {
    let refusal =
        |why: &str| Fault::new(FaultClass::Sql, format!("the query must be a single SELECT: {why}"));
    let refused = |why: &str| Err(refusal(why));
    // SQLite ends a statement at a NUL.
    if sql.contains('\0') {
        return refused("it has the character NUL");
    }
    let mut depth = 0_usize;
    for (_, character) in characters_outside(dialect, sql).map_err(|open| refusal(&open))? {
        depth = match character {
            ';' => return refused("it has a semicolon"),
            '(' => depth + 1,
            ')' if depth == 0 => return refused("it closes a bracket that it did not open"),
            ')' => depth - 1,
            _ => depth,
        };
    }
    if depth == 0 { Ok(()) } else { refused("a bracket ( is not closed") }
}

/// # Errors
/// When the query has a parameter. Nothing would be bound to it: PostgreSQL refuses such a statement, SQLite takes it for NULL, and in
/// a function the parameters are those of the function.
pub fn require_no_parameters(dialect: Dialect, sql: &str) -> Result<(), Fault> {
    let Ok(outside) = characters_outside(dialect, sql) else { return Ok(()) };
    for (at, character) in outside {
        let (before, after) = sql.split_at(at);
        let next = after.chars().nth(1);
        let is_parameter = match (dialect, character) {
            (Dialect::Postgres, '$') => {
                !ends_a_name(before) && next.is_some_and(|next| next.is_ascii_digit())
            }
            (Dialect::Sqlite, '$') => !ends_a_name(before),
            (Dialect::Sqlite, '?' | '@' | ':') => true,
            _ => false,
        };
        if is_parameter {
            let name = |next: &char| next.is_alphanumeric() || *next == '_';
            let name: String = after.chars().skip(1).take_while(name).take(20).collect();
            let message = format!(
                "the query has the parameter {character}{name}, and nothing gives it a value: write the value itself, or {{day_start}}, \
                 {{day_end}} or {{day}}"
            );
            return Err(Fault::new(FaultClass::Sql, message));
        }
    }
    Ok(())
}

/// The characters, each with its place in bytes, that are in no quotation and no comment.
///
/// # Errors
/// What is left open.
fn characters_outside(dialect: Dialect, sql: &str) -> Result<Vec<(usize, char)>, String> {
    let (mut rest, mut outside) = (sql, Vec::new());
    while let Some(character) = rest.chars().next() {
        let at = sql.len() - rest.len();
        let before = sql.get(..at).unwrap_or_default();
        let skipped = match dialect {
            Dialect::Sqlite => skipped_in_sqlite(rest),
            Dialect::Postgres => skipped_in_postgres(before, rest),
        };
        rest = match skipped.map_err(|open| format!("{open} is not closed"))? {
            Some(after) => after,
            None => {
                outside.push((at, character));
                &rest[character.len_utf8()..]
            }
        };
    }
    Ok(outside)
}

/// What follows the quotation or the comment with which `rest` begins; `None` where it begins with another thing. An error names what is
/// left open.
type Skipped<'a> = Result<Option<&'a str>, String>;

fn skipped_in_sqlite(rest: &str) -> Skipped<'_> {
    let mut characters = rest.chars();
    match (characters.next(), characters.next()) {
        (Some(quote @ ('\'' | '"' | '`')), _) => quoted(rest, quote),
        (Some('['), _) => closed(after(&rest[1..], "]"), "a bracket ["),
        (Some('-'), Some('-')) => Ok(Some(after(rest, "\n").unwrap_or_default())),
        (Some('/'), Some('*')) => closed(after(&rest[2..], "*/"), "a comment"),
        _ => Ok(None),
    }
}

/// Comments may be nested, texts may begin with E and have backslashes, or stand between dollar signs: `$tag$text$tag$`.
fn skipped_in_postgres<'a>(before: &str, rest: &'a str) -> Skipped<'a> {
    let mut characters = rest.chars();
    match (characters.next(), characters.next()) {
        (Some('\''), _) if is_escaping(before) => closed(after_escaped(&rest[1..]), "a quotation mark '"),
        (Some(quote @ ('\'' | '"')), _) => quoted(rest, quote),
        (Some('-'), Some('-')) => Ok(Some(rest.split_once(['\n', '\r']).map_or("", |(_, after)| after))),
        (Some('/'), Some('*')) => closed(after_nested(&rest[2..]), "a comment"),
        (Some('$'), _) if !ends_a_name(before) => match dollar_tag(rest) {
            Some(tag) => closed(after(&rest[tag.len()..], tag), "a text between dollar signs"),
            None => Ok(None),
        },
        _ => Ok(None),
    }
}

fn quoted(rest: &str, quote: char) -> Skipped<'_> {
    closed(after(&rest[1..], quote.encode_utf8(&mut [0; 4])), &format!("a quotation mark {quote}"))
}

fn closed<'a>(after: Option<&'a str>, what: &str) -> Skipped<'a> {
    after.map(Some).ok_or_else(|| what.to_owned())
}

/// The rest of `text` after the first `end`. A doubled quotation mark ends a text and begins the next one, with the same
/// result.
fn after<'a>(text: &'a str, end: &str) -> Option<&'a str> {
    text.split_once(end).map(|(_, after)| after)
}

/// Whether a quotation mark after `before` begins a text in which a backslash escapes.
fn is_escaping(before: &str) -> bool {
    before.strip_suffix(['E', 'e']).is_some_and(|before| !ends_a_name(before))
}

/// Whether a name or a number ends there.
fn ends_a_name(before: &str) -> bool {
    before.ends_with(|character: char| is_of_name(character) || character == '$')
}

/// Whether a name in PostgreSQL may have the character. Every character beyond ASCII is a letter there.
fn is_of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_' || !character.is_ascii()
}

/// The rest after the end of a text with escapes, of which a doubled quotation mark is none. A quotation mark on a later line continues the
/// text, which still has escapes.
fn after_escaped(text: &str) -> Option<&str> {
    let mut rest = text;
    loop {
        rest = rest.get(rest.find(['\'', '\\'])?..)?;
        rest = match rest.strip_prefix('\'') {
            Some(after) => match after.strip_prefix('\'') {
                Some(doubled) => doubled,
                None => match continuation(after) {
                    Some(continued) => continued,
                    None => return Some(after),
                },
            },
            // The backslash and what it escapes.
            None => rest.get(1 + rest[1..].chars().next()?.len_utf8()..)?,
        };
    }
}

/// The rest after the quotation mark that continues a text, if only spaces, line breaks and comments up to the end of a line come before
/// it, and at least one line break.
fn continuation(after: &str) -> Option<&str> {
    let is_space = |character: char| matches!(character, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c');
    let (mut rest, mut has_break) = (after, false);
    loop {
        let text = rest.trim_start_matches(is_space);
        has_break |= rest[..rest.len() - text.len()].contains(['\n', '\r']);
        match text.strip_prefix("--") {
            Some(comment) => rest = &comment[comment.find(['\n', '\r'])?..],
            None => return text.strip_prefix('\'').filter(|_| has_break),
        }
    }
}

fn after_nested(comment: &str) -> Option<&str> {
    let (mut rest, mut depth) = (comment, 1_usize);
    while depth > 0 {
        let (begins, ends) = (rest.find("/*"), rest.find("*/")?);
        match begins.filter(|begins| *begins < ends) {
            Some(begins) => (rest, depth) = (&rest[begins + 2..], depth + 1),
            None => (rest, depth) = (&rest[ends + 2..], depth - 1),
        }
    }
    Some(rest)
}

/// `$tag$` or `$$` at the beginning of a text.
fn dollar_tag(text: &str) -> Option<&str> {
    let end = text.get(1..)?.find('$')? + 1;
    let tag = text.get(1..end)?;
    let is_name =
        tag.chars().all(is_of_name) && !tag.starts_with(|character: char| character.is_ascii_digit());
    is_name.then(|| &text[..=end])
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    /// A text of PostgreSQL on one line or on several, with everything in it that could end it or seem to.
    fn postgres_text() -> impl Strategy<Value = String> {
        let pieces = || vec(select(vec!["a", "'", "\\", ")", "(", ";", "--", "/*", "$$", "€", "E"]), 0..6);
        let part = vec(select(vec!["a", "'", "\\", ")", "(", ";", "--", "/*", "$$", "€", "\n"]), 0..6);
        let comment = pieces().prop_map(|pieces| format!(" -- {}\n", pieces.concat()));
        let between = prop_oneof![Just("\n".to_owned()), Just(" \t\r\n  ".to_owned()), comment];
        let first = part.clone();
        (any::<bool>(), first, vec((between, part), 0..3)).prop_map(|(escapes, first, more)| {
            let written = |part: Vec<&'static str>| match escapes {
                true => part.concat().replace('\\', r"\\").replace('\'', r"\'"),
                false => part.concat().replace('\'', "''"),
            };
            let more = more.into_iter().map(|(between, part)| format!("{between}'{}'", written(part)));
            let more = more.collect::<String>();
            format!("{}'{}'{more}", if escapes { "E" } else { "" }, written(first))
        })
    }

    proptest! {
        #[test]
        fn a_text_of_postgres_ends_where_it_ends(text in postgres_text()) {
            let check = |sql: String| require_single_select(Dialect::Postgres, &sql);
            let [whole, closing, second] =
                [format!("SELECT ({text})"), format!("SELECT {text}) AS x, (SELECT 1"), format!("SELECT {text}; SELECT 1")];
            prop_assert!(check(whole).is_ok());
            prop_assert!(check(closing).is_err());
            prop_assert!(check(second).is_err());
        }
    }

    #[test]
    fn a_single_select_of_any_shape_is_accepted() {
        for sql in [
            "SELECT count(*) AS value FROM posts WHERE body <> 'a;)' AND \"odd)\" = ';' -- ;)",
            "SELECT 'it''s (' AS label, [odd)] AS value /* ;) ' */ FROM `a;b`",
            "WITH a AS (SELECT (1)) SELECT - 1 / 2 AS value FROM a\n-- (",
            "SELECT 'ü)' AS label, 1 - -1 AS value",
        ] {
            assert!(require_single_select(Dialect::Sqlite, sql).is_ok(), "{sql}");
        }
        for sql in [
            "SELECT count(*) AS value FROM posts WHERE body <> 'a;)' AND \"odd)\" = ';' -- ;)",
            r"SELECT E'it\'s (;''\\' AS label, 'C:\' AS value FROM a WHERE e = '('",
            "SELECT $$ ;) $$, $tag$ ( $$ $tag$, tags[1], '{1,2}'::int[] AS value FROM a WHERE b = $1",
            "SELECT 1 /* /* ) */ ; */ AS value",
            "SELECT a$b$, c$b$ FROM posts",
            "SELECT 'ü)' AS label, 1 - -1 AS value",
            "SELECT E'a'\n  '\\') ; (' AS value",
            "SELECT e'a' -- it's\r\n-- b\n'\\'' AS value",
            "SELECT 'a'\n'\\' AS label, 1 AS value",
            "SELECT €E'\\' AS label, 1 AS value",
            "SELECT $€$ ;) $€$ AS label, 1 AS value",
        ] {
            let found = require_single_select(Dialect::Postgres, sql);
            assert!(found.is_ok(), "{sql}: {found:?}");
        }
    }

    #[test]
    fn a_query_with_a_parameter_is_refused() {
        for (dialect, sql) in [
            (Dialect::Postgres, "SELECT $1 AS value"),
            (Dialect::Postgres, "SELECT count(*) AS value FROM posts WHERE id=$12::int"),
            (Dialect::Sqlite, "SELECT ? AS value"),
            (Dialect::Sqlite, "SELECT ?1 AS value"),
            (Dialect::Sqlite, "SELECT :day AS value"),
            (Dialect::Sqlite, "SELECT @day AS value"),
            (Dialect::Sqlite, "SELECT $day AS value"),
        ] {
            let refused = require_no_parameters(dialect, sql).unwrap_err();
            assert!(refused.message.starts_with("the query has the parameter "), "{refused}");
        }
        for (dialect, sql) in [
            (Dialect::Postgres, "SELECT 1::int, a$1, '$1', $$ $1 $$, \"$1\", a ? 'b', @ -1 FROM posts -- $1"),
            (Dialect::Sqlite, "SELECT a$1, '?', \":a\", [@b] FROM posts /* ? */"),
        ] {
            assert!(require_no_parameters(dialect, sql).is_ok(), "{sql}");
        }
    }

    #[test]
    fn anything_but_a_single_select_is_refused() {
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
            assert!(require_single_select(Dialect::Sqlite, sql).is_err(), "{sql}");
        }
        for sql in [
            "SELECT started_at, listener_id FROM plays) AS x, (SELECT 1",
            "SELECT 1 AS value) AS answer UNION SELECT 2, (3",
            "SELECT 1; SELECT 2",
            "SELECT 1 /* /* */",
            "SELECT '1",
            r"SELECT E'1\'",
            r"SELECT '\') AS x, (SELECT '1'",
            "SELECT E'a'\n'\\'') AS x, (SELECT '",
            "SELECT E'a' '\\') AS x, (SELECT '",
            "SELECT E'a' /* a */\n'\\') AS x, (SELECT '",
            "SELECT E'a' --'\n) AS x, (SELECT 1",
            "SELECT €E'\\') AS x, (SELECT '",
            "SELECT $$ 1",
            "SELECT $a$ 1 $b$",
            "SELECT (1",
            "SELECT [1) AS x, (SELECT 1]",
        ] {
            assert!(require_single_select(Dialect::Postgres, sql).is_err(), "{sql}");
        }
    }
}
