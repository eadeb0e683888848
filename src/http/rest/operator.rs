//! The operator and the value of a filter: `operator.value`, with or without `not.` before it.

use super::{error::RestError, scanner::Scanner, value::typed};
use crate::store::table::{ColumnKind, Comparison, IsOperand, RowCondition, StoreColumn};

/// The most values in a list.
pub(super) const MAX_VALUES: usize = 1000;

/// Operators that PostgREST has and Daymark has not.
const NOT_IMPLEMENTED: [&str; 17] = [
    "like",
    "ilike",
    "match",
    "imatch",
    "isdistinct",
    "cs",
    "cd",
    "ov",
    "sl",
    "sr",
    "nxr",
    "nxl",
    "adj",
    "fts",
    "plfts",
    "phfts",
    "wfts",
];

const OPERATORS: &str = "\"not\" or operator (eq, gt, ...)";

/// The context of an operator: a value ends with the parameter, or within a tree of conditions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Parameter,
    Tree,
}

/// An operator and its operand, of no column yet.
pub(super) struct Predicate {
    negated: bool,
    operation: Operation,
}

enum Operation {
    Compare(Comparison, String),
    In(Vec<String>),
    Is(IsOperand),
}

impl Predicate {
    pub(super) fn read(scanner: &mut Scanner<'_>, place: Place) -> Result<Self, RestError> {
        let negated = scanner.take("not.");
        let start = scanner.rest();
        let operator = start.split(|c: char| !c.is_ascii_lowercase()).next().unwrap_or_default();
        let after = &start[operator.len()..];
        let operation = match operator {
            "in" if after.starts_with('.') => {
                scanner.take("in.");
                Operation::In(list(scanner)?)
            }
            "is" if after.starts_with('.') => {
                scanner.take("is.");
                Operation::Is(state(scanner)?)
            }
            _ => match comparison(operator) {
                Some(comparison) if after.starts_with('.') => {
                    scanner.take(operator);
                    scanner.take(".");
                    Operation::Compare(comparison, operand(scanner, place))
                }
                known => return Err(refused(scanner, operator, known.is_some(), after)),
            },
        };
        if place == Place::Parameter && !scanner.is_at_end() {
            return Err(scanner.unexpected("end of input"));
        }
        Ok(Self { negated, operation })
    }

    pub(super) fn of(self, column: &'static StoreColumn) -> Result<RowCondition, RestError> {
        let condition = match self.operation {
            Operation::Compare(comparison, text) => {
                RowCondition::Compare { column, comparison, value: typed(column, &text)? }
            }
            Operation::In(texts) => {
                let values = texts.iter().map(|text| typed(column, text)).collect::<Result<_, _>>()?;
                RowCondition::In { column, values }
            }
            Operation::Is(state) => RowCondition::Is { column, state: of_type(column, state)? },
        };
        Ok(unless(self.negated, condition))
    }
}

pub(super) fn unless(negated: bool, condition: RowCondition) -> RowCondition {
    match negated {
        true => RowCondition::Not(Box::new(condition)),
        false => condition,
    }
}

fn comparison(operator: &str) -> Option<Comparison> {
    Some(match operator {
        "eq" => Comparison::Equal,
        "neq" => Comparison::NotEqual,
        "gt" => Comparison::Greater,
        "gte" => Comparison::GreaterOrEqual,
        "lt" => Comparison::Less,
        "lte" => Comparison::LessOrEqual,
        _ => return None,
    })
}

fn operand(scanner: &mut Scanner<'_>, place: Place) -> String {
    match place {
        Place::Parameter => scanner.take_while(|_| true).to_owned(),
        Place::Tree => scanner.element(),
    }
}

/// `(a,"b, c")`; `()` is an empty list.
fn list(scanner: &mut Scanner<'_>) -> Result<Vec<String>, RestError> {
    scanner.skip_spaces();
    scanner.expect("(")?;
    scanner.skip_spaces();
    let mut values = vec![scanner.element()];
    while scanner.take(",") {
        values.push(scanner.element());
        if values.len() > MAX_VALUES {
            return Err(scanner.wrong(format!("there are more than {MAX_VALUES} values")));
        }
    }
    if !scanner.take(")") {
        return Err(scanner.unexpected("\",\" or \")\""));
    }
    scanner.skip_spaces();
    Ok(if values == [""] { Vec::new() } else { values })
}

fn state(scanner: &mut Scanner<'_>) -> Result<IsOperand, RestError> {
    let rest = scanner.rest();
    let word = &rest[..rest.find(|c: char| !c.is_ascii_alphabetic() && c != '_').unwrap_or(rest.len())];
    let state = match word.to_ascii_lowercase().as_str() {
        "null" => IsOperand::Null,
        "not_null" => IsOperand::NotNull,
        "true" => IsOperand::True,
        "false" => IsOperand::False,
        "unknown" => IsOperand::Unknown,
        _ => return Err(scanner.unexpected("isVal: (null, not_null, true, false, unknown)")),
    };
    scanner.take(word);
    Ok(state)
}

/// `is.true`, `is.false` and `is.unknown` apply to booleans only.
fn of_type(column: &StoreColumn, state: IsOperand) -> Result<IsOperand, RestError> {
    let word = match state {
        IsOperand::Null | IsOperand::NotNull => return Ok(state),
        _ if column.kind == ColumnKind::Boolean => return Ok(state),
        IsOperand::True => "TRUE",
        IsOperand::False => "FALSE",
        IsOperand::Unknown => "UNKNOWN",
    };
    let message = format!("argument of IS {word} must be type boolean, which {} is not", column.name);
    Err(RestError::bad_request("42804", message))
}

/// The error for an operator that is not supported.
fn refused(scanner: &Scanner<'_>, operator: &str, is_comparison: bool, after: &str) -> RestError {
    let quantified = if after.starts_with('(') { "(…)" } else { "" };
    match after.starts_with(['.', '(']) && (is_comparison || NOT_IMPLEMENTED.contains(&operator)) {
        true => RestError::not_implemented(format!(
            "the operator {operator}{quantified}; supported are eq, neq, gt, gte, lt, lte, in and is, each also with not. before it"
        )),
        false => scanner.unexpected(OPERATORS),
    }
}
