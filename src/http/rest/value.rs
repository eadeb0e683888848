//! Parses values of a request as values of a column; a value that does not fit the type has PostgreSQL's error.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::error::{RestError, cut};
use crate::store::table::{ColumnKind, StoreColumn, Value};

/// `text` as a value of the column.
///
/// # Errors
/// As PostgreSQL has them for a value that is none of the type. Two are Daymark's own: dates are `YYYY-MM-DD` and
/// nothing else, and JSON compares with nothing.
pub(super) fn typed(column: &StoreColumn, text: &str) -> Result<Value, RestError> {
    let invalid = |type_name| {
        let message = format!("invalid input syntax for type {type_name}: \"{}\"", cut(text));
        RestError::bad_request("22P02", message)
    };
    match column.kind {
        ColumnKind::Text if text.contains('\0') => {
            Err(RestError::bad_request("22021", "invalid byte sequence for encoding \"UTF8\": 0x00"))
        }
        ColumnKind::Text => Ok(Value::Text(text.to_owned())),
        ColumnKind::Date => date(text).map(Value::Date),
        ColumnKind::Instant => instant(text).map(Value::Instant),
        ColumnKind::Decimal => text.parse().map(Value::Decimal).map_err(|_| invalid("numeric")),
        ColumnKind::Integer => text.parse().map(Value::Integer).map_err(|_| invalid("bigint")),
        ColumnKind::Boolean => boolean(text).map(Value::Boolean).ok_or_else(|| invalid("boolean")),
        ColumnKind::Uuid => text.parse().map(Value::Uuid).map_err(|_| invalid("uuid")),
        ColumnKind::Object => Err(RestError::not_implemented(format!(
            "the column {} is JSON, for which only is.null and not.is.null are supported",
            column.name
        ))),
    }
}

/// A date, strictly as `YYYY-MM-DD`.
pub(super) fn date(text: &str) -> Result<Date, RestError> {
    let shape = |(index, byte): (usize, u8)| match index {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    if text.len() != 10 || !text.bytes().enumerate().all(shape) {
        let message = format!("invalid input syntax for type date: \"{}\"", cut(text));
        return Err(RestError::bad_request("22007", message).hint("Dates are written YYYY-MM-DD."));
    }
    match text.parse::<Date>() {
        Ok(date) if date.year() >= 1 => Ok(date),
        _ => Err(out_of_range(text)),
    }
}

/// A date with or without a time; UTC where no offset is given.
pub(super) fn instant(text: &str) -> Result<Timestamp, RestError> {
    let invalid = || {
        let message = format!("invalid input syntax for type timestamp with time zone: \"{}\"", cut(text));
        RestError::bad_request("22007", message).hint("Instants are written as in 2025-01-31T00:15:00Z.")
    };
    let instant = match text.len() {
        10 => date(text)
            .map_err(|error| if error.code == "22007" { invalid() } else { error })?
            .to_zoned(TimeZone::UTC),
        // Annotations in brackets are not part of RFC 3339, but jiff would accept them.
        _ if text.contains('[') => return Err(invalid()),
        _ => match text.parse::<Timestamp>() {
            Ok(instant) => return within_years(instant, text),
            Err(_) => text.parse::<jiff::civil::DateTime>().map_err(|_| invalid())?.to_zoned(TimeZone::UTC),
        },
    };
    let instant = instant.map_err(|_| out_of_range(text))?.timestamp();
    within_years(instant, text)
}

/// Instants of the years that both databases write in the same way.
fn within_years(instant: Timestamp, text: &str) -> Result<Timestamp, RestError> {
    let year = instant.to_zoned(TimeZone::UTC).year();
    match (1..=9999).contains(&year) {
        true => Ok(Timestamp::from_microsecond(instant.as_microsecond()).unwrap_or(instant)),
        false => Err(out_of_range(text)),
    }
}

fn out_of_range(text: &str) -> RestError {
    RestError::bad_request("22008", format!("date/time field value out of range: \"{}\"", cut(text)))
}

/// As PostgreSQL reads them, but no abbreviations beyond the first letter.
fn boolean(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(kind: ColumnKind, text: &str) -> Option<&'static str> {
        let column = StoreColumn { name: "x", kind, nullable: false };
        typed(&column, text).err().map(|error| error.code)
    }

    #[test]
    fn dates_are_strict() {
        assert_eq!(date("2025-01-31").unwrap(), jiff::civil::date(2025, 1, 31));
        for text in
            ["2025-1-31", "20250131", "today", "2025-01-31T00:00:00Z", "+025-01-31", "", "２０25-01-1"]
        {
            assert_eq!(date(text).unwrap_err().code, "22007", "{text}");
        }
        for text in ["2025-02-29", "2025-13-01", "0000-01-01"] {
            assert_eq!(date(text).unwrap_err().code, "22008", "{text}");
        }
    }

    #[test]
    fn instants_without_an_offset_are_utc() {
        let same = ["2025-01-31T00:00:00Z", "2025-01-31", "2025-01-31 00:00:00", "2025-01-31T01:00+01:00"];
        for text in same {
            assert_eq!(instant(text).unwrap(), "2025-01-31T00:00:00Z".parse().unwrap(), "{text}");
        }
        for text in ["x", "2025-01-31x", "2025-01-31T00:00:00Z[UTC]", "2025-1-31Z"] {
            assert_eq!(instant(text).unwrap_err().code, "22007", "{text}");
        }
        assert_eq!(instant("-000100-01-01T00:00:00Z").unwrap_err().code, "22008");
    }

    #[test]
    fn an_invalid_value_has_postgresqls_code() {
        assert_eq!(code(ColumnKind::Decimal, "12345678901234567890.5"), None);
        assert_eq!(code(ColumnKind::Decimal, "NaN"), Some("22P02"));
        assert_eq!(code(ColumnKind::Integer, "1.5"), Some("22P02"));
        assert_eq!(code(ColumnKind::Boolean, "T"), None);
        assert_eq!(code(ColumnKind::Boolean, "null"), Some("22P02"));
        assert_eq!(code(ColumnKind::Uuid, "x"), Some("22P02"));
        assert_eq!(code(ColumnKind::Text, "a\0b"), Some("22021"));
        assert_eq!(code(ColumnKind::Object, "{}"), Some("PGRST127"));
    }
}
