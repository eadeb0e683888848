//! The moments of a column (how many values, their sum, the sum of their squares) as a database adds them up, and read
//! back exactly.

use super::{
    dialect::Dialect,
    parse::{parse_count, parse_decimal},
};
use crate::{
    database::Fault,
    metric::{Decimal, Moments},
};

/// How many values a pivot is chosen from.
const PIVOTS: usize = 100;

/// The aggregates of a column, over rows, without filter clauses: the number of values, their sum and the sum of their
/// squares. SQLite has only 64-bit integers and floats, in which squares overflow or cancel each other out; there the
/// values are taken from a pivot (a value of the column), which is the fourth part, and [`read_moments`] shifts back.
pub fn moments(dialect: Dialect, table: &str, column: &str) -> Vec<String> {
    let name = dialect.name(column);
    match dialect {
        Dialect::Postgres => {
            let number = format!("{name}::numeric");
            vec![format!("count({name})"), format!("sum({number})"), format!("sum({number} * {number})")]
        }
        Dialect::Sqlite => {
            let pivot = pivot(table, &name);
            // What is no number is no value, whatever SQLite would make of it.
            let shifted =
                format!("(CASE WHEN typeof({name}) IN ('integer', 'real') THEN {name} - {pivot} END)");
            let count = format!("count({shifted})");
            vec![count, format!("sum({shifted})"), format!("sum(CAST({shifted} AS REAL) * {shifted})"), pivot]
        }
    }
}

/// Of some values the nearest to zero: differences from one far larger than the others would leave nothing of them.
fn pivot(table: &str, name: &str) -> String {
    format!(
        "coalesce((SELECT {name} FROM (SELECT {name} FROM {table} WHERE typeof({name}) IN ('integer', 'real') LIMIT {PIVOTS}) \
         WHERE abs(1.0 * {name}) < 1e300 ORDER BY abs(1.0 * {name}) LIMIT 1), 0)"
    )
}

/// The moments of the next values, shifted back from the pivot where there is one:
/// `Σx = Σ(x−p) + np` and `Σx² = Σ(x−p)² + 2pΣ(x−p) + np²`.
pub fn read_moments<'a>(
    dialect: Dialect,
    mut next: impl FnMut() -> Option<&'a str>,
) -> Result<Moments, Fault> {
    let (count, sum, squares) = (parse_count(next())?, parse_decimal(next())?, parse_decimal(next())?);
    if dialect == Dialect::Postgres {
        return Ok(Moments { count, sum, sum_of_squares: squares });
    }
    let pivot = parse_decimal(next())?;
    let shift = &Decimal::from(count) * &pivot;
    let twice = &(&Decimal::from(2) * &pivot) * &sum;
    Ok(Moments { count, sum: &sum + &shift, sum_of_squares: &(&squares + &twice) + &(&shift * &pivot) })
}
