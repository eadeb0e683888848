//! Days as arguments: `YYYY-MM-DD` and nothing else.

use jiff::civil::Date;

/// # Errors
/// When `text` is not a day; the message has the form of a day, or the days of the month.
pub fn parse(text: &str) -> Result<Date, String> {
    let parts: Vec<_> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return Err(form()) };
    let number = |part: &str, digits: usize| {
        let is_number = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { part.parse::<i16>().map_err(|_| form()) } else { Err(form()) }
    };
    let (year, month, day) = (number(year, 4)?, number(month, 2)?, number(day, 2)?);
    let first = i8::try_from(month).ok().and_then(|month| Date::new(year, month, 1).ok());
    let first = first.ok_or_else(|| format!("there is no month {month:02}"))?;
    let date = i8::try_from(day).ok().and_then(|day| Date::new(year, first.month(), day).ok());
    date.ok_or_else(|| format!("that month has the days 01 to {}", first.days_in_month()))
}

fn form() -> String {
    "write a day as YYYY-MM-DD, as in 2025-01-31".to_owned()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_day_has_one_form() {
        assert_eq!(parse("2024-02-29"), Ok(date(2024, 2, 29)));
        assert_eq!(parse("2025-02-29"), Err("that month has the days 01 to 28".to_owned()));
        assert_eq!(parse("2025-04-00"), Err("that month has the days 01 to 30".to_owned()));
        assert_eq!(parse("2025-13-01"), Err("there is no month 13".to_owned()));
        for wrong in [
            "",
            "yesterday",
            "2025-1-2",
            "20250102",
            "2025-01-02T00:00",
            "-2025-01-02",
            "+025-01-02",
            "2025-٠١-02",
        ] {
            assert_eq!(parse(wrong), Err(form()), "{wrong}");
        }
    }
}
