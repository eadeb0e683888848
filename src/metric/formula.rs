//! Formulas over values: sums, differences, products and quotients of the values of other metrics, computed exactly.

use std::{fmt, str::FromStr};

use exmex::{BinOp, Express, FlatEx, MakeOperators, Operator};

use super::{Decimal, DecimalError, Fraction};

/// The longest formula, in bytes.
const MAX_BYTES: usize = 1000;
/// The most metrics that a formula names.
const MAX_INPUTS: usize = 20;

/// A formula such as `revenue / (orders - refunds)`, which was read without a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricFormula {
    text: String,
    inputs: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormulaError {
    #[error("the formula has {0} bytes, but the limit is {MAX_BYTES}")]
    TooLong(usize),
    #[error(
        "`{0}` has no meaning in a formula; it consists of names of metrics, numbers, + - * / and parentheses"
    )]
    Character(char),
    #[error("the formula cannot be read: {0}")]
    Syntax(String),
    #[error("the formula names no metric")]
    Constant,
    #[error("the formula names {0} metrics, but the limit is {MAX_INPUTS}")]
    TooManyInputs(usize),
}

type Expression = FlatEx<FormulaTerm, Operators>;

impl MetricFormula {
    /// The names of the metrics, each once, in alphabetical order: the order of [`CompiledFormula::value`]'s arguments.
    pub fn inputs(&self) -> &[String] {
        &self.inputs
    }

    /// The formula, ready to be computed.
    pub fn compiled(&self) -> CompiledFormula {
        CompiledFormula(expression(&self.text).ok())
    }
}

/// A formula that is computed many times.
#[derive(Debug)]
pub struct CompiledFormula(Option<Expression>);

impl CompiledFormula {
    /// The exact value of the formula; `None` where it divides by zero. `inputs` are in the order of [`MetricFormula::inputs`].
    pub fn value(&self, inputs: Vec<Fraction>) -> Option<Fraction> {
        let inputs: Vec<_> = inputs.into_iter().map(|input| FormulaTerm(Some(input))).collect();
        self.0.as_ref()?.eval(&inputs).ok()?.0
    }
}

impl FromStr for MetricFormula {
    type Err = FormulaError;

    fn from_str(text: &str) -> Result<Self, FormulaError> {
        if text.len() > MAX_BYTES {
            return Err(FormulaError::TooLong(text.len()));
        }
        let is_known = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || " _+-*/().".contains(*c);
        if let Some(unknown) = text.chars().find(|c| !is_known(c)) {
            return Err(FormulaError::Character(unknown));
        }
        let inputs = expression(text)?.var_names().to_vec();
        match inputs.len() {
            0 => Err(FormulaError::Constant),
            count if count > MAX_INPUTS => Err(FormulaError::TooManyInputs(count)),
            _ => Ok(Self { text: text.trim().to_owned(), inputs }),
        }
    }
}

impl fmt::Display for MetricFormula {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

fn expression(text: &str) -> Result<Expression, FormulaError> {
    Expression::parse(text).map_err(|error| FormulaError::Syntax(error.to_string()))
}

/// A number of a formula; `None` after a division by zero.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FormulaTerm(Option<Fraction>);

impl FormulaTerm {
    fn with(self, other: Self, compute: impl Fn(&Fraction, &Fraction) -> Option<Fraction>) -> Self {
        Self(self.0.zip(other.0).and_then(|(one, other)| compute(&one, &other)))
    }

    fn plus(self, other: Self) -> Self {
        self.with(other, |one, other| Some(one.plus(other)))
    }

    fn negated(self) -> Self {
        Self(self.0.map(|number| number.negated()))
    }

    fn times(self, other: Self) -> Self {
        self.with(other, |one, other| Some(one.times(other)))
    }

    fn divided_by(self, other: Self) -> Self {
        self.with(other, Fraction::divided_by)
    }
}

impl Default for FormulaTerm {
    fn default() -> Self {
        Self(Some(Fraction::whole(Decimal::zero())))
    }
}

impl FromStr for FormulaTerm {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        Ok(Self(Some(Fraction::whole(text.parse()?))))
    }
}

/// The four operations. A sign before a number or a name binds most closely.
#[derive(Debug, Clone)]
struct Operators;

impl MakeOperators<FormulaTerm> for Operators {
    fn make<'a>() -> Vec<Operator<'a, FormulaTerm>> {
        let binary = |apply, prio| BinOp { apply, prio, is_commutative: false };
        vec![
            Operator::make_bin_unary(
                "+",
                binary(|a: FormulaTerm, b: FormulaTerm| a.plus(b), 0),
                |a: FormulaTerm| a,
            ),
            Operator::make_bin_unary(
                "-",
                binary(|a: FormulaTerm, b: FormulaTerm| a.plus(b.negated()), 0),
                |a: FormulaTerm| a.negated(),
            ),
            Operator::make_bin("*", binary(|a: FormulaTerm, b: FormulaTerm| a.times(b), 1)),
            Operator::make_bin("/", binary(|a: FormulaTerm, b: FormulaTerm| a.divided_by(b), 1)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(formula: &str, inputs: &[&str]) -> Option<String> {
        let inputs = inputs.iter().map(|input| Fraction::whole(input.parse().unwrap())).collect();
        let formula: MetricFormula = formula.parse().unwrap();
        formula.compiled().value(inputs).map(|value| value.rounded().to_string())
    }

    #[test]
    fn the_four_operations_are_exact_and_have_the_usual_order() {
        for (formula, inputs, expected) in [
            ("a + b * 2", &["1", "3"][..], "7"),
            ("(a + b) * 2", &["1", "3"], "8"),
            ("a - b - c", &["10", "3", "2"], "5"),
            ("a / b / c", &["12", "3", "2"], "2"),
            ("a / b * b", &["1", "3"], "1"),
            ("a / b", &["1", "3"], "0.333333333333"),
            ("a / b + a / b + a / b", &["1", "3"], "1"),
            ("a * 0.00000000000001", &["25"], "0"),
            ("a * a", &["0.0000015"], "0.000000000002"),
            ("a * 1", &["8.5000000000000000000000001"], "8.5"),
            ("-a + 0.1", &["0.3"], "-0.2"),
            ("a * b", &["9007199254740993", "9007199254740993"], "81129638414606699710187514626049"),
            ("revenue / active_users_7", &["2", "9"], "4.5"),
        ] {
            assert_eq!(value(formula, inputs).as_deref(), Some(expected), "{formula}");
        }
    }

    #[test]
    fn a_division_by_zero_has_no_value() {
        assert_eq!(value("a / b", &["1", "0"]), None);
        assert_eq!(value("a / (b - b) * 0", &["1", "2"]), None);
        assert_eq!(value("a / b", &["0", "1"]).as_deref(), Some("0"));
    }

    #[test]
    fn mistakes_are_refused() {
        for (text, message) in [
            ("", "cannot be read"),
            ("a +", "cannot be read"),
            ("(a", "cannot be read"),
            ("a b", "cannot be read"),
            ("a / / b", "cannot be read"),
            ("1.2.3 * a", "cannot be read"),
            ("1 + 2", "names no metric"),
            ("a ^ 2", "`^` has no meaning"),
            ("sum(A)", "`A` has no meaning"),
            ("a; b", "`;` has no meaning"),
            (&"a+".repeat(600), "the limit is 1000"),
        ] {
            let refused = text.parse::<MetricFormula>().unwrap_err().to_string();
            assert!(refused.contains(message), "{text}: {refused}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "[a-c0-9 _+*/().-]{0,40}") {
            let _ = text.parse::<MetricFormula>();
        }

        #[test]
        fn a_quotient_is_that_of_decimals(a in -1000_i64..1000, b in -1000_i64..1000, c in 1_i64..1000) {
            let (a, b, c) = (Decimal::from(a), Decimal::from(b), Decimal::from(c));
            let formula: MetricFormula = "(a - b) / c".parse().unwrap();
            let value = formula.compiled().value([&a, &b, &c].map(|input| Fraction::whole(input.clone())).to_vec());
            prop_assert_eq!(value.map(|value| value.rounded()), (&a - &b).checked_div(&c));
        }
    }
}
