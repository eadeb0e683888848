//! The moments of a column (how many values, their sum, the sum of their squares) as a database adds them up, and read
//! back exactly.

use super::{
    dialect::Dialect,
    numbers::{number, numeric, read_sum, summands},
    parse::{parse_count, parse_decimal},
};
use crate::{
    database::Fault,
    metric::{Decimal, Moments},
    platform::schema::Column,
};

/// The number of values from which the pivot is chosen.
const PIVOTS: usize = 100;
/// The square of no larger integer fits the 64 bits of SQLite's integers.
const MAX_SQUARED: i64 = 3_037_000_499;
/// The squares of integers are added up in halves of this many bits, so that not even their sum overflows.
const HALF_BITS: u32 = 32;

/// The SQL for the moments of a column; [`read_moments`] reads the answers.
pub struct MomentSql {
    /// Aggregates over rows, without filter clauses. They add up over groups of rows.
    pub aggregates: Vec<String>,
    /// Expressions that have the same value for all rows.
    pub constants: Vec<String>,
}

impl MomentSql {
    /// On PostgreSQL the number of values, their sum and the sum of their squares, all NUMERIC. SQLite has only 64-bit
    /// integers and floats, in which squares overflow or cancel each other out; there the squares are of the distances from a pivot (a
    /// value of the column). Squares of integers are added up exactly, in two halves; only those of REAL values, and of
    /// integers further than 3·10⁹ from the pivot, are floats.
    ///
    /// `column` is the schema's description of the column, if it has one.
    pub fn new(dialect: Dialect, table: &str, name: &str, column: Option<&Column>) -> Self {
        match dialect {
            Dialect::Postgres => {
                let name = dialect.name(name);
                let number = numeric(&name, column);
                let aggregates = vec![
                    format!("count({name})"),
                    format!("sum({number})"),
                    format!("sum({number} * {number})"),
                ];
                Self { aggregates, constants: Vec::new() }
            }
            Dialect::Sqlite => Self::of_sqlite(table, name, column),
        }
    }

    fn of_sqlite(table: &str, column_name: &str, column: Option<&Column>) -> Self {
        let sums = summands(Dialect::Sqlite, column_name, column);
        let name = &Dialect::Sqlite.name(column_name);
        let pivot = pivot(table, name);
        // A text is not a value, even if SQLite would read a number from its beginning.
        let shifted = format!("(CASE WHEN typeof({name}) IN ('integer', 'real') THEN {name} - {pivot} END)");
        let is_exact =
            format!("typeof({shifted}) = 'integer' AND {shifted} BETWEEN -{MAX_SQUARED} AND {MAX_SQUARED}");
        let square = format!("({shifted} * {shifted})");
        let of_exact = |half: String| format!("sum(CASE WHEN {is_exact} THEN {square} {half} END)");
        let squares = [
            of_exact(format!(">> {HALF_BITS}")),
            of_exact(format!("& {}", (1_i64 << HALF_BITS) - 1)),
            format!("sum(CASE WHEN {is_exact} THEN 0 ELSE CAST({shifted} AS REAL) * {shifted} END)"),
        ];
        let count = format!("count({})", number(Dialect::Sqlite, column_name));
        let sums = sums.into_iter().map(|summand| format!("sum({summand})"));
        let aggregates = std::iter::once(count).chain(sums).chain(squares).collect();
        Self { aggregates, constants: vec![pivot] }
    }
}

/// The value nearest to zero: a pivot far larger than the other values would leave no digits of their differences.
fn pivot(table: &str, name: &str) -> String {
    format!(
        "coalesce((SELECT {name} FROM (SELECT {name} FROM {table} WHERE typeof({name}) IN ('integer', 'real') LIMIT {PIVOTS}) \
         WHERE abs(1.0 * {name}) < 1e300 ORDER BY abs(1.0 * {name}) LIMIT 1), 0)"
    )
}

/// The moments of the next values. The squares are shifted back from the pivot where there is one:
/// `Σx² = Σ(x−p)² + 2pΣx − np²`.
pub fn read_moments<'a>(
    dialect: Dialect,
    next: &mut dyn FnMut() -> Option<&'a str>,
) -> Result<Moments, Fault> {
    let (count, sum) = (parse_count(next())?, read_sum(dialect, next)?);
    let mut decimal = || parse_decimal(next());
    if dialect == Dialect::Postgres {
        return Ok(Moments { count, sum, sum_of_squares: decimal()? });
    }
    let (high, low, floats, pivot) = (decimal()?, decimal()?, decimal()?, decimal()?);
    let exact = &(&high * &Decimal::from(1_i64 << HALF_BITS)) + &low;
    let twice = &(&Decimal::from(2) * &pivot) * &sum;
    let of_pivot = &(&Decimal::from(count) * &pivot) * &pivot;
    Ok(Moments { count, sum, sum_of_squares: &(&(&exact + &floats) + &twice) - &of_pivot })
}
