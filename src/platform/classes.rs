//! Classes of rows that filters cannot tell apart, as one integer. SQLite groups by sorting, and sorts by an integer much
//! faster than by several columns; and there are no more classes than the filters make, however many values columns hold.

use std::collections::{BTreeMap, BTreeSet};

use super::dialect::Dialect;
use crate::metric::{Condition, Filter, Literal, Test};

/// Every row is compared with all of them: with more, sorting by the columns takes no longer.
const MAX_COMPARISONS: usize = 40;

/// What the filters compare a column with.
#[derive(Default)]
struct Comparisons<'a> {
    literals: BTreeSet<&'a Literal>,
    /// Conditions that a row passes or not, whichever of the literals it equals.
    others: BTreeSet<String>,
}

/// The expression of a row's class on SQLite: rows of one class pass the same of `filters`. `None` when it would take
/// too many comparisons.
pub fn class<'a>(filters: impl IntoIterator<Item = &'a Filter>) -> Option<String> {
    let mut columns: BTreeMap<&str, Comparisons<'_>> = BTreeMap::new();
    for condition in filters.into_iter().flat_map(|filter| &filter.0) {
        columns.entry(&condition.column).or_default().add(condition);
    }
    let count = columns.values().map(|column| column.literals.len() + column.others.len()).sum::<usize>();
    if count > MAX_COMPARISONS {
        return None;
    }
    // The digits of a number whose base differs from digit to digit; 40 comparisons make it 2^40 at most.
    let (mut weight, mut terms) = (1u64, Vec::new());
    for (name, column) in &columns {
        terms.extend(column.digits(name, &mut weight));
    }
    (!terms.is_empty()).then(|| terms.join(" + "))
}

impl<'a> Comparisons<'a> {
    fn add(&mut self, condition: &'a Condition) {
        let is_null = || format!("{} IS NULL", Dialect::Sqlite.name(&condition.column));
        match &condition.test {
            Test::Equals(literal) => drop(self.literals.insert(literal)),
            Test::In(literals) => self.literals.extend(literals),
            // A NULL passes neither these nor their opposites.
            Test::NotEquals(literal) => {
                self.literals.insert(literal);
                self.others.insert(is_null());
            }
            Test::NotIn(literals) => {
                self.literals.extend(literals);
                self.others.insert(is_null());
            }
            Test::IsNull(_) => drop(self.others.insert(is_null())),
            Test::LessThan(_) | Test::AtMost(_) | Test::GreaterThan(_) | Test::AtLeast(_) => {
                let condition = Dialect::Sqlite.filter(&Filter(vec![condition.clone()]));
                self.others.extend(condition.map(|condition| format!("({condition}) IS TRUE")));
            }
        }
    }

    /// Expressions of digits times their weights; `weight` is left at that of the next digit. Values that equal the same
    /// literal equal the same literals.
    fn digits(&self, column: &str, weight: &mut u64) -> Vec<String> {
        let mut digits = Vec::new();
        if !self.literals.is_empty() {
            let name = Dialect::Sqlite.name(column);
            // Weighed here rather than in a product, which would be made for every row.
            let numbered = self.literals.iter().zip(1..);
            let cases: Vec<_> = numbered
                .map(|(literal, digit)| {
                    format!("WHEN {} THEN {}", Dialect::Sqlite.literal(literal), digit * *weight)
                })
                .collect();
            digits.push(format!("CASE {name} {} ELSE 0 END", cases.join(" ")));
            *weight *= cases.len() as u64 + 1;
        }
        for condition in &self.others {
            digits.push(format!("({condition}) * {weight}"));
            *weight *= 2;
        }
        digits
    }
}
