//! Classes of rows that filters cannot tell apart, as one integer. SQLite groups by sorting, and sorts by an integer much
//! faster than by several columns; and there are no more classes than the filters make, however many values columns hold.
//! Where the integers tell enough, not even that is needed: SQLite lists them, and they are counted and filtered here.

use std::collections::{BTreeMap, BTreeSet};

use super::{dialect::Dialect, scan::Aggregates};
use crate::{
    database::{Fault, FaultClass},
    metric::{Condition, Filter, Literal, Test},
};

/// Every row is compared with all of them: with more, sorting by the columns takes no longer.
const MAX_COMPARISONS: usize = 40;
/// More classes than this are not counted here.
const MAX_COUNTED: u64 = 1 << 16;

/// What rows are told apart by. A class is a number of as many digits as there are columns, whose base differs.
pub struct Classes<'a> {
    columns: BTreeMap<&'a str, Digit<'a>>,
    /// One more than the largest; 40 comparisons make it 2^40 at most.
    count: u64,
}

/// What the filters compare a column with. The digit is the place of the first of the literals that the value equals, or
/// 0, and has a bit for each of the other tests: `place + (literals + 1) * bits`.
#[derive(Default)]
struct Digit<'a> {
    literals: BTreeSet<&'a Literal>,
    /// What a value passes or not, whichever of the literals it equals.
    others: BTreeSet<Other<'a>>,
    weight: u64,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Other<'a> {
    IsNull,
    Test(&'a Test),
}

impl<'a> Classes<'a> {
    /// The classes on SQLite: rows of one class pass the same of `filters`. `None` when there is nothing to compare, or
    /// it would take too many comparisons.
    pub fn of(filters: impl IntoIterator<Item = &'a Filter>) -> Option<Self> {
        let mut columns: BTreeMap<&str, Digit<'_>> = BTreeMap::new();
        for condition in filters.into_iter().flat_map(|filter| &filter.0) {
            columns.entry(&condition.column).or_default().add(&condition.test);
        }
        let comparisons = columns.values().map(|digit| digit.literals.len() + digit.others.len());
        if !(1..=MAX_COMPARISONS).contains(&comparisons.sum::<usize>()) {
            return None;
        }
        let mut count = 1;
        for digit in columns.values_mut() {
            digit.weight = count;
            count *= digit.base();
        }
        Some(Self { columns, count })
    }

    /// The expression of a row's class, which is never NULL.
    pub fn expression(&self) -> String {
        let terms = self.columns.iter().flat_map(|(name, digit)| digit.terms(name));
        terms.collect::<Vec<_>>().join(" + ")
    }

    /// Whether [`Self::counts`] can be used: not so if there are many classes, or if a value could equal two literals, of
    /// which the digit tells the first only.
    pub fn can_be_counted(&self) -> bool {
        self.count <= MAX_COUNTED && self.columns.values().all(Digit::literals_are_apart)
    }

    /// What [`Self::counts`] reads: the classes of all rows, or NULL if there are none.
    pub fn list(&self) -> Aggregates {
        Aggregates { expressions: vec![format!("group_concat({})", self.expression())], facets: None }
    }

    /// For each of the filters how many rows pass it; they are among those that the classes are of.
    ///
    /// # Errors
    /// When it is no list of classes.
    pub fn counts<'b>(
        &self,
        list: Option<&str>,
        filters: impl IntoIterator<Item = &'b Filter>,
    ) -> Result<Vec<i64>, Fault> {
        let mut rows = vec![0; usize::try_from(self.count).unwrap_or_default()];
        for class in list.into_iter().flat_map(|list| list.split(',')) {
            let of_class = class.parse::<usize>().ok().and_then(|class| rows.get_mut(class));
            let unknown = || Fault::new(FaultClass::Other, format!("`{class}` is no class of rows"));
            *of_class.ok_or_else(unknown)? += 1;
        }
        let rows: Vec<(u64, i64)> = (0..).zip(rows).filter(|(_, rows)| *rows > 0).collect();
        let passing = |filter: &Filter| {
            let conditions: Vec<_> = filter.0.iter().map(|condition| self.table(condition)).collect();
            let passes = |class: u64| {
                conditions
                    .iter()
                    .all(|(digit, passes)| usize::try_from(digit.of(class)).is_ok_and(|digit| passes[digit]))
            };
            rows.iter().filter(|(class, _)| passes(*class)).map(|(_, rows)| rows).sum()
        };
        Ok(filters.into_iter().map(passing).collect())
    }

    /// The digit that a condition looks at, and which of its values pass it.
    fn table(&self, condition: &Condition) -> (&Digit<'a>, Vec<bool>) {
        let digit = &self.columns[condition.column.as_str()];
        (digit, (0..digit.base()).map(|value| digit.passes(value, &condition.test)).collect())
    }
}

impl<'a> Digit<'a> {
    fn add(&mut self, test: &'a Test) {
        match test {
            Test::Equals(literal) => drop(self.literals.insert(literal)),
            Test::In(literals) => self.literals.extend(literals),
            // A NULL passes neither these nor their opposites.
            Test::NotEquals(literal) => {
                self.literals.insert(literal);
                self.others.insert(Other::IsNull);
            }
            Test::NotIn(literals) => {
                self.literals.extend(literals);
                self.others.insert(Other::IsNull);
            }
            Test::IsNull(_) => drop(self.others.insert(Other::IsNull)),
            Test::LessThan(_) | Test::AtMost(_) | Test::GreaterThan(_) | Test::AtLeast(_) => {
                self.others.insert(Other::Test(test));
            }
        }
    }

    fn places(&self) -> u64 {
        self.literals.len() as u64 + 1
    }

    fn base(&self) -> u64 {
        self.places() << self.others.len()
    }

    fn of(&self, class: u64) -> u64 {
        class / self.weight % self.base()
    }

    /// Expressions that add up to the digit times its weight. Values that equal the same literal equal the same literals.
    fn terms(&self, column: &str) -> Vec<String> {
        let name = Dialect::Sqlite.name(column);
        let mut terms = Vec::new();
        if !self.literals.is_empty() {
            // Weighed here rather than in a product, which would be made for every row.
            let cases = self.literals.iter().zip(1..).map(|(literal, place)| {
                format!("WHEN {} THEN {}", Dialect::Sqlite.literal(literal), place * self.weight)
            });
            terms.push(format!("CASE {name} {} ELSE 0 END", cases.collect::<Vec<_>>().join(" ")));
        }
        for (other, bit) in self.others.iter().zip(0..) {
            let condition = match other {
                Other::IsNull => format!("{name} IS NULL"),
                Other::Test(test) => {
                    let condition = Condition { column: column.to_owned(), test: (*test).clone() };
                    format!("({}) IS TRUE", Dialect::Sqlite.condition(&condition))
                }
            };
            terms.push(format!("({condition}) * {}", self.weight * (self.places() << bit)));
        }
        terms
    }

    /// Whether no value equals two of the literals, whatever the column's type and collation take for equal.
    fn literals_are_apart(&self) -> bool {
        let coarse: BTreeSet<_> = self.literals.iter().map(|literal| coarse(literal)).collect();
        coarse.len() == self.literals.len()
    }

    /// Whether values of which this is the digit pass the test, which is one of those added.
    fn passes(&self, digit: u64, test: &Test) -> bool {
        let place = digit % self.places();
        let passed = digit / self.places();
        let has = |wanted: &Other<'_>| {
            let bit = self.others.iter().position(|other| other == wanted);
            bit.is_some_and(|bit| passed >> bit & 1 == 1)
        };
        let equals = |wanted: &Literal| {
            let found = self.literals.iter().zip(1..).find(|(literal, _)| **literal == wanted);
            found.is_some_and(|(_, found)| found == place)
        };
        match test {
            Test::Equals(wanted) => equals(wanted),
            Test::In(wanted) => wanted.iter().any(equals),
            Test::NotEquals(unwanted) => !has(&Other::IsNull) && !equals(unwanted),
            // A NULL, too, is not in a list without values.
            Test::NotIn(unwanted) => {
                unwanted.is_empty() || (!has(&Other::IsNull) && !unwanted.iter().any(equals))
            }
            Test::IsNull(wanted) => has(&Other::IsNull) == *wanted,
            Test::LessThan(_) | Test::AtMost(_) | Test::GreaterThan(_) | Test::AtLeast(_) => {
                has(&Other::Test(test))
            }
        }
    }
}

/// The same of all literals that some type and collation of SQLite take for equal: types make numbers of texts, and
/// collations leave out the case of letters and spaces at the end.
fn coarse(literal: &Literal) -> String {
    let text = match literal {
        Literal::Boolean(value) => u8::from(*value).to_string(),
        Literal::Number(value) => value.to_string(),
        Literal::Text(value) => value.trim().to_lowercase(),
    };
    match text.parse::<f64>() {
        // Zero has two signs, and a text is compared with 15 digits of a number.
        Ok(number) => format!("{:.13e}", number + 0.0),
        Err(_) => text,
    }
}
