//! Columns that are not of a boolean type but have one of two values for yes and no: `Y` and `N` in a `char(1)`, `1`
//! and `0` in a `bit(1)`, `t` and `f` in a text.

use std::collections::BTreeSet;

/// Values for yes, each with the corresponding value for no.
const PAIRS: [(&str, &str); 6] =
    [("y", "n"), ("yes", "no"), ("t", "f"), ("true", "false"), ("1", "0"), ("on", "off")];

/// The values of a column that mean true and false, each in the form in which the column stores it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BooleanValues {
    pub yes: Vec<String>,
    /// A blank counts as false.
    pub no: Vec<String>,
}

impl BooleanValues {
    /// Sorts the values of a column; `None` if one of them says neither yes nor no, or if all are blank.
    pub fn of(values: &BTreeSet<String>) -> Option<Self> {
        let mut sorted = Self::default();
        for value in values {
            let plain = value.trim().to_lowercase();
            if PAIRS.iter().any(|(yes, _)| *yes == plain) {
                sorted.yes.push(value.clone());
            } else if plain.is_empty() || PAIRS.iter().any(|(_, no)| *no == plain) {
                sorted.no.push(value.clone());
            } else {
                return None;
            }
        }
        values.iter().any(|value| !value.trim().is_empty()).then_some(sorted)
    }

    /// Adds the value that no row has yet, in the spelling of the others: `N` if all rows have `Y`.
    pub fn completed(mut self) -> Self {
        if self.yes.is_empty() {
            self.yes = counterparts(&self.no, |(yes, no)| (no, yes));
        } else if self.no.is_empty() {
            self.no = counterparts(&self.yes, |pair| pair);
        }
        self
    }
}

/// The values that say the opposite. `from_to` puts each pair into the order of the given value and its opposite.
fn counterparts(
    values: &[String],
    from_to: fn((&'static str, &'static str)) -> (&'static str, &'static str),
) -> Vec<String> {
    let counterpart = |value: &String| {
        let pairs = PAIRS.into_iter().map(from_to);
        let plain = value.trim().to_lowercase();
        let (_, opposite) = pairs.into_iter().find(|(from, _)| *from == plain)?;
        Some(in_case_of(value.trim(), opposite))
    };
    values.iter().filter_map(counterpart).collect()
}

/// Writes `word` in capital letters, or with a capital letter, if `example` is written so.
fn in_case_of(example: &str, word: &str) -> String {
    let is_upper = |text: &str| text.chars().all(|c| !c.is_lowercase());
    match example.chars().next() {
        Some(_) if is_upper(example) => word.to_uppercase(),
        Some(first) if is_upper(&first.to_string()) => word[..1].to_uppercase() + &word[1..],
        _ => word.to_owned(),
    }
}
