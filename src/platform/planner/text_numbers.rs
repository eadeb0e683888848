//! Refuses numbers that SQLite keeps as texts, which an expression or a column without a type may have: a sum would leave them out, and the
//! user would not notice. A text without a digit, such as `n/a`, is not a number and is treated like NULL.
//!
//! A SELECT of SQLite cannot raise an error with a message of its own. A JSON path that is not valid ends the statement, and SQLite's error
//! cites the path, which therefore names the column and the text.

use super::dialect::Dialect;
use crate::{database::Fault, metric::Decimal};

/// The first element of the path that names a text.
const MARK: &str = "daymark_text";
/// How many characters of the text an error shows.
const MAX_SHOWN: usize = 60;

/// Whether a text of the column may be a number. SQLite sorts every number before every text.
pub fn is_text_number(name: &str) -> String {
    format!("{} GLOB '*[0-9]*'", Dialect::Sqlite.name(name))
}

/// An expression that ends the statement, and of which [`explained`] makes an error that names the column and the text.
pub fn refusal(name: &str) -> String {
    let (column, name) = (Dialect::Sqlite.name(name), Dialect::Sqlite.text(name));
    format!(
        "json_extract('{{}}', json_array('{MARK}', {name}, CAST(substr({column}, 1, {MAX_SHOWN}) AS TEXT)))"
    )
}

/// The fault of a statement, in words where a [`refusal`] ended it.
pub fn explained(fault: Fault) -> Fault {
    let Some((column, text)) = refused(&fault.message) else { return fault };
    let hint = if text.parse::<Decimal>().is_ok() {
        format!("let the source be a query that selects `CAST({column} AS REAL)`")
    } else {
        "let the source be a query that makes numbers of them, or leave these rows out with a filter"
            .to_owned()
    };
    let message = format!(
        "column `{column}` has the text '{text}', which would be left out, because SQLite does not add texts up; {hint}"
    );
    Fault { message, ..fault }
}

/// The column and the text that an error of SQLite cites, in which quotes are doubled.
fn refused(message: &str) -> Option<(String, String)> {
    let start = message.find(&format!("[\"{MARK}\""))?;
    let end = message.rfind(']')?;
    let path = message.get(start..=end)?.replace("''", "'");
    let [_, column, text] = serde_json::from_str(&path).ok()?;
    Some((column, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::FaultClass;

    #[test]
    fn an_error_names_the_column_and_the_text() {
        let of = |path: &str| {
            let cited = format!("bad JSON path: '{}'", path.replace('\'', "''"));
            explained(Fault::new(FaultClass::Data, cited)).message
        };
        let number = of(r#"["daymark_text","a'mount","12.50"]"#);
        assert!(number.starts_with("column `a'mount` has the text '12.50'"), "{number}");
        assert!(number.ends_with("selects `CAST(a'mount AS REAL)`"), "{number}");
        assert!(of(r#"["daymark_text","price","5 ] \"€\""]"#).contains("has the text '5 ] \"€\"'"));
        assert_eq!(of("$["), "bad JSON path: '$['");
    }
}
