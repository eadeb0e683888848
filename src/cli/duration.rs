//! Durations as arguments: `90d`, `12w`, `36h`.

use jiff::SignedDuration;

/// # Errors
/// When `text` is not a duration; the error is a message for the user.
pub fn parse(text: &str) -> Result<SignedDuration, String> {
    let form = || "write a number and d, w or h for days, weeks or hours, as in 90d".to_owned();
    let unit = text.chars().last().ok_or_else(form)?;
    let hours_each = match unit {
        'h' => 1,
        'd' => 24,
        'w' => 7 * 24,
        _ => return Err(form()),
    };
    let number = &text[..text.len() - unit.len_utf8()];
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(form());
    }
    let number: i64 =
        number.parse().map_err(|_| "a duration can be at most 36525 days (100 years)".to_owned())?;
    match number.checked_mul(hours_each) {
        Some(0) => Err("a duration must be at least an hour".to_owned()),
        // A century.
        Some(hours) if hours <= 24 * 36_525 => Ok(SignedDuration::from_hours(hours)),
        _ => Err("a duration can be at most 36525 days (100 years)".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        assert_eq!(parse("90d"), Ok(SignedDuration::from_hours(90 * 24)));
        assert_eq!(parse("12w"), Ok(SignedDuration::from_hours(12 * 7 * 24)));
        assert_eq!(parse("36h"), Ok(SignedDuration::from_hours(36)));
        for wrong in ["", "d", "90", "-1d", "1.5d", "٣d", "90é", "0d", "99999999d", "99999999999999999999d"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
