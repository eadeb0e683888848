//! Reads the answers of a SQLite platform. All answers of a statement are returned in one row.

use crate::{
    database::{Fault, FaultClass},
    platform::planner::session::{MAX_ANSWERS, NO_SPAN, SpanRow},
};

/// The answers of `sql` in one row, one line for each, because most of the cost of a row is its transfer from the
/// connection's thread. JSON has only escaped line breaks.
pub(super) fn packed(sql: &str) -> String {
    format!(
        "WITH daymark_answers (daymark_id, daymark_values) AS (\n{sql}\n)\n\
         SELECT group_concat(coalesce(daymark_id, '') || ' ' || coalesce(daymark_values, 'null'), char(10))\n\
         FROM (SELECT * FROM daymark_answers LIMIT {})",
        MAX_ANSWERS + 1
    )
}

pub(super) fn answer(line: &str) -> Result<SpanRow, Fault> {
    let unreadable = || Fault::new(FaultClass::Data, format!("unreadable answer {line}"));
    let (id, values) = line.split_once(' ').ok_or_else(unreadable)?;
    let id = match id {
        // NULL: the row's time could not be read, so it is in no day.
        "" => NO_SPAN,
        id => id.parse::<i64>().map_err(|_| unreadable())?.try_into().unwrap_or(NO_SPAN),
    };
    Ok((id, texts(values)?))
}

/// The elements of a JSON array, and of arrays in it, as texts; numbers with all of their digits.
fn texts(json: &str) -> Result<Vec<Option<String>>, Fault> {
    let unreadable =
        |error: serde_json::Error| Fault::new(FaultClass::Data, format!("unreadable answer {json}: {error}"));
    let mut texts = Vec::new();
    flatten(serde_json::from_str(json).map_err(unreadable)?, &mut texts);
    Ok(texts)
}

fn flatten(value: serde_json::Value, texts: &mut Vec<Option<String>>) {
    match value {
        serde_json::Value::Array(values) => values.into_iter().for_each(|value| flatten(value, texts)),
        serde_json::Value::Null => texts.push(None),
        serde_json::Value::String(text) => texts.push(Some(text)),
        // SQLite writes infinity as 9.0e+999.
        serde_json::Value::Number(number) if number.as_f64().is_none_or(f64::is_infinite) => {
            texts.push(Some("Infinity".to_owned()));
        }
        other => texts.push(Some(other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_line_whatever_its_labels_contain() {
        assert_eq!(
            answer(r#"3 ["a\nb c", [1.50, null]]"#).unwrap(),
            (3, vec![Some("a\nb c".to_owned()), Some("1.50".to_owned()), None])
        );
        assert_eq!(answer(" [1]").unwrap().0, NO_SPAN, "its time could not be read");
        assert_eq!(answer("-1 [1]").unwrap().0, NO_SPAN);
        for wrong in ["", "3", "x [1]", "3 [1"] {
            assert!(answer(wrong).is_err(), "{wrong}");
        }
    }
}
