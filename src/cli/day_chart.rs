//! Values by day drawn with characters: a bar a day, or one line of a character a day.

use bigdecimal::ToPrimitive;

use crate::metric::Decimal;

/// The longest bar, in characters.
const BAR_WIDTH: f64 = 40.0;
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A bar for each value, from zero to the value; a negative one is drawn with `-` instead of blocks. The longest of them has
/// the same length in every chart. A day without a value has none.
pub fn bars(values: &[Option<&Decimal>]) -> Vec<String> {
    let values: Vec<_> = values.iter().map(|value| value.and_then(drawn)).collect();
    let longest = values.iter().flatten().fold(0.0_f64, |longest, value| longest.max(value.abs()));
    let bar = |value: &Option<f64>| match value {
        Some(value) if longest > 0.0 => one_bar(*value, value.abs() / longest),
        _ => String::new(),
    };
    values.iter().map(bar).collect()
}

fn one_bar(value: f64, share: f64) -> String {
    let eighths = (share * BAR_WIDTH * 8.0).round().to_usize().unwrap_or(0);
    match value < 0.0 {
        true => "-".repeat(eighths.div_ceil(8)),
        false => "█".repeat(eighths / 8) + EIGHTHS[eighths % 8],
    }
}

/// A character for each value, whose height is its place between the lowest and the highest value, or zero if that is lower. A
/// day without a value is a dot.
pub fn sparkline(values: &[Option<&Decimal>]) -> String {
    let values: Vec<_> = values.iter().map(|value| value.and_then(drawn)).collect();
    let lowest = values.iter().flatten().fold(0.0_f64, |lowest, value| lowest.min(*value));
    let highest = values.iter().flatten().fold(0.0_f64, |highest, value| highest.max(*value));
    let level = |value: f64| match highest > lowest {
        true => ((value - lowest) / (highest - lowest) * 7.0).round().to_usize().unwrap_or(0).min(7),
        false => 0,
    };
    values.iter().map(|value| value.map_or('·', |value| LEVELS[level(value)])).collect()
}

/// The value as a float, for the picture only; `None` where it has no finite one.
fn drawn(value: &Decimal) -> Option<f64> {
    value.inner().to_f64().filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn_from(values: &[&str]) -> (Vec<String>, String) {
        let parsed: Vec<Option<Decimal>> = values.iter().map(|value| value.parse().ok()).collect();
        let values: Vec<_> = parsed.iter().map(Option::as_ref).collect();
        (bars(&values), sparkline(&values))
    }

    #[test]
    fn the_largest_value_has_the_longest_bar_and_a_missing_one_has_none() {
        let (bars, line) = drawn_from(&["40", "20", "0.5", "0", ""]);
        assert_eq!(bars, ["█".repeat(40), "█".repeat(20), "▌".to_owned(), String::new(), String::new()]);
        assert_eq!(line, "█▅▁▁·");
    }

    #[test]
    fn negative_values_are_drawn_apart_and_zeros_alone_have_no_bar() {
        let (bars, line) = drawn_from(&["-20", "0", "20"]);
        assert_eq!(bars, ["-".repeat(40), String::new(), "█".repeat(40)]);
        assert_eq!(line, "▁▅█");
        assert_eq!(drawn_from(&["0", "0"]), (vec![String::new(); 2], "▁▁".to_owned()));
    }
}
