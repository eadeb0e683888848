//! Columns of numbers in SQL, and their values and sums read back with all of their digits.
//!
//! PostgreSQL adds up NUMERIC. SQLite would add the floats of a REAL column up as floats, so that 0.1 + 0.2 − 0.3 is not 0. There a sum
//! has two parts, the whole numbers and the millionths, and both are integers as long as all values have at most six decimal
//! places and lie within ±2·10⁹. The parts of other values are floats, and their sum is rounded to the 15 digits that a float has.

use super::{
    dialect::Dialect,
    parse::parse_decimal,
    text_numbers::{is_text_number, refusal},
};
use crate::{
    database::Fault,
    metric::Decimal,
    platform::schema::{Column, ColumnType},
};

/// The digits that every decimal number keeps as a float.
const FLOAT_DIGITS: u64 = 15;
/// A million times a number that lies within ± this is off by less than a half, so that it can be rounded to the number of its
/// millionths: by 2⁻⁵³ of itself because the number is a float, and by as much because the product is one.
const MAX_OF_MILLIONTHS: &str = "2e9";
/// 1.5 · 2⁵²: a float from −2⁵¹ to 2⁵¹ that it is added to and then taken from is rounded to a whole number, in a third of the time that a
/// call of `round` takes.
const ROUNDING: &str = "6755399441055744.0";
/// A whole number that lies within ± this is exact as a float.
const MAX_WHOLE: &str = "9e15";

/// The column as a number; NULL where it holds none. On SQLite a text is not a number, even if SQLite would read one from its
/// beginning; a text that may be a number ends the statement. It belongs where rows are already selected, not into their condition:
/// a condition may be tested for rows that another one excludes.
pub fn number(dialect: Dialect, name: &str) -> String {
    let column = dialect.name(name);
    match dialect {
        Dialect::Postgres => column,
        Dialect::Sqlite => format!(
            "CASE WHEN {} THEN {column} WHEN {} THEN {} END",
            is_number(&column),
            is_text_number(name),
            refusal(name)
        ),
    }
}

/// Whether the column has a number, or on SQLite a text that [`number`] refuses.
pub fn is_present(dialect: Dialect, name: &str) -> String {
    let column = dialect.name(name);
    match dialect {
        Dialect::Postgres => format!("({column}) IS NOT NULL"),
        Dialect::Sqlite => format!("({} OR {})", is_number(&column), is_text_number(name)),
    }
}

/// SQLite sorts every number before every text. The plus keeps it from comparing a number and a text as texts or as numbers. (A call of
/// `typeof` for each row takes as long as all the rest of a sum.)
fn is_number(name: &str) -> String {
    format!("+{name} < ''")
}

/// The column as NUMERIC on PostgreSQL. A cast from `double precision` keeps 15 digits; its text has all digits that distinguish it
/// from other values.
pub fn numeric(name: &str, column: Option<&Column>) -> String {
    match column {
        Some(Column { column_type: ColumnType::Integer, .. }) => format!("{name}::numeric"),
        Some(column) if column.type_name.starts_with("numeric") => format!("{name}::numeric"),
        _ => format!("{name}::text::numeric"),
    }
}

/// The number of parts that a sum has.
pub fn sum_parts(dialect: Dialect) -> usize {
    match dialect {
        Dialect::Postgres => 1,
        Dialect::Sqlite => 2,
    }
}

/// Expressions whose sums over rows are the parts of the column's sum; [`read_sum`] puts them together. `column` is the schema's
/// description of the column `name`, if it has one. PostgreSQL adds integers up without an overflow by itself.
pub fn summands(dialect: Dialect, name: &str, column: Option<&Column>) -> Vec<String> {
    match (dialect, column.map(|column| column.column_type)) {
        (Dialect::Sqlite, _) => sqlite_summands(&dialect.name(name)).to_vec(),
        (Dialect::Postgres, Some(ColumnType::Integer)) => vec![dialect.name(name)],
        (Dialect::Postgres, _) => vec![numeric(&dialect.name(name), column)],
    }
}

/// The whole number of a value, or all of a float that has no such parts; and the millionths of a float.
fn sqlite_summands(name: &str) -> [String; 2] {
    let has_parts = format!("+{name} BETWEEN -{MAX_OF_MILLIONTHS} AND {MAX_OF_MILLIONTHS}");
    let is_whole = format!("{name} BETWEEN -{MAX_WHOLE} AND {MAX_WHOLE} AND {name} = round({name})");
    let whole = format!("CAST({name} AS INTEGER)");
    let millionths = format!("({name} * 1e6 + {ROUNDING} - {ROUNDING})");
    [
        format!(
            "CASE WHEN {has_parts} THEN {whole} WHEN {} THEN iif({is_whole}, {whole}, {name}) END",
            is_number(name)
        ),
        format!(
            "CASE WHEN {has_parts} AND {name} <> {whole} THEN iif({millionths} / 1e6 = {name}, \
             CAST({millionths} AS INTEGER) % 1000000, ({name} - {whole}) * 1e6) END"
        ),
    ]
}

/// By which sums with these parts are ranked, as a number of SQL. On SQLite it is in millionths, which a float has all of.
pub fn rank_of_sum(parts: &[&str]) -> String {
    match parts {
        [whole, millionths] => format!("({whole} * 1e6 + coalesce({millionths}, 0))"),
        parts => parts.concat(),
    }
}

/// The sum whose parts are the next values of an answer; NULL, the sum of no rows, is 0.
pub fn read_sum<'a>(dialect: Dialect, next: &mut dyn FnMut() -> Option<&'a str>) -> Result<Decimal, Fault> {
    if dialect == Dialect::Postgres {
        return parse_decimal(next());
    }
    let (whole, millionths) = (next(), next());
    let sum = &parse_decimal(whole)? + &parse_decimal(millionths)?.millionth();
    let has_floats = [whole, millionths].into_iter().flatten().any(is_float);
    Ok(if has_floats { sum.rounded_to_digits(FLOAT_DIGITS) } else { sum })
}

/// An expression of SQL that is written with enough digits for [`parse_value`].
pub fn with_all_digits(dialect: Dialect, expression: &str) -> String {
    match dialect {
        Dialect::Postgres => expression.to_owned(),
        Dialect::Sqlite => format!(
            "CASE typeof({expression}) WHEN 'real' THEN printf('%!.17g', {expression}) ELSE {expression} END"
        ),
    }
}

/// A value of a column. A float has the digits that distinguish it from other floats, as PostgreSQL writes it.
pub fn parse_value(dialect: Dialect, text: Option<&str>) -> Result<Decimal, Fault> {
    let shortest = text
        .filter(|text| dialect == Dialect::Sqlite && is_float(text))
        .and_then(|text| text.parse::<f64>().ok())
        .filter(|float| float.is_finite())
        .map(|float| float.to_string());
    parse_decimal(shortest.as_deref().or(text))
}

/// SQLite writes a float with a point, an exponent, or both, and an integer with neither.
fn is_float(text: &str) -> bool {
    text.contains(['.', 'e'])
}
