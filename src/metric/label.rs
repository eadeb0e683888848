//! Labels of breakdowns as they are recorded: a long one is cut.

use std::borrow::Cow;

/// The longest recorded label, in characters. A longer label is recorded as its first characters and [`CUT_MARK`], so labels that differ
/// only after these characters are recorded as one.
pub const MAX_LABEL: usize = 200;
/// The last characters of a label that was cut. Every database encoding has them.
pub const CUT_MARK: &str = "...";

/// The label as it is recorded.
pub fn recorded_label(label: &str) -> Cow<'_, str> {
    match label.chars().count() > MAX_LABEL {
        true => Cow::Owned(label.chars().take(MAX_LABEL - CUT_MARK.len()).collect::<String>() + CUT_MARK),
        false => Cow::Borrowed(label),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_label_is_cut_by_its_characters() {
        let whole = "ä".repeat(200);
        assert_eq!(recorded_label(&whole), whole);
        assert_eq!(recorded_label(&(whole + "x")), "ä".repeat(197) + "...");
    }
}
