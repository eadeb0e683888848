//! What is aggregated of a column (moments, a sum, extremes), as a database computes it over rows, combines it over groups of
//! rows, and as it is read back.

use super::{
    dialect::Dialect,
    moments::{MomentSql, read_moments},
    numbers::{number, parse_value, read_sum, summands, with_all_digits},
    parse::parse_count,
};
use crate::{
    database::Fault,
    metric::{ColumnSum, Extremes, Moments, Tally},
    platform::schema::Column,
};

/// Each is answered with the [`Tally`] of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ColumnAggregate {
    Moments,
    Sum,
    Extremes,
}

pub struct ColumnAggregateSql {
    pub calls: Vec<AggregateCall>,
    /// Expressions that have the same value for all rows.
    pub constants: Vec<String>,
}

/// A call of an aggregate function over rows, without a filter clause.
pub struct AggregateCall {
    pub sql: String,
    /// The aggregate function that combines its values over groups of rows.
    pub combined_by: &'static str,
    /// Whether its result is a value of the column.
    is_value: bool,
}

impl AggregateCall {
    /// The result of the call, which `sql` computes, as it stands in an answer.
    pub fn in_answer(&self, dialect: Dialect, sql: String) -> String {
        if self.is_value { with_all_digits(dialect, &sql) } else { sql }
    }
}

impl ColumnAggregate {
    /// `column` is the schema's description of the column `name`, if it has one.
    pub fn sql(
        self,
        dialect: Dialect,
        table: &str,
        name: &str,
        column: Option<&Column>,
    ) -> ColumnAggregateSql {
        let added = |sql: String| AggregateCall { sql, combined_by: "sum", is_value: false };
        let (calls, constants) = match self {
            Self::Moments => {
                let MomentSql { aggregates, constants } = MomentSql::new(dialect, table, name, column);
                (aggregates.into_iter().map(added).collect(), constants)
            }
            Self::Sum => {
                let count = format!("count({})", number(dialect, name));
                let sums =
                    summands(dialect, name, column).into_iter().map(|summand| format!("sum({summand})"));
                (std::iter::once(count).chain(sums).map(added).collect(), Vec::new())
            }
            Self::Extremes => {
                let number = number(dialect, name);
                let extreme = |function: &'static str| AggregateCall {
                    sql: format!("{function}({number})"),
                    combined_by: function,
                    is_value: true,
                };
                (vec![added(format!("count({number})")), extreme("min"), extreme("max")], Vec::new())
            }
        };
        ColumnAggregateSql { calls, constants }
    }

    /// The number of values in an answer of PostgreSQL.
    pub fn postgres_cells(self) -> usize {
        match self {
            Self::Sum => 2,
            Self::Moments | Self::Extremes => 3,
        }
    }

    pub fn of_no_rows(self) -> Tally {
        match self {
            Self::Moments => Tally::Moments(Moments::zero()),
            Self::Sum => Tally::Sum(ColumnSum::default()),
            Self::Extremes => Tally::Extremes(Extremes::default()),
        }
    }

    /// Reads the aggregate from the next values of an answer.
    pub fn read<'a>(
        self,
        dialect: Dialect,
        next: &mut dyn FnMut() -> Option<&'a str>,
    ) -> Result<Tally, Fault> {
        Ok(match self {
            Self::Moments => Tally::Moments(read_moments(dialect, next)?),
            Self::Sum => Tally::Sum(ColumnSum { count: parse_count(next())?, sum: read_sum(dialect, next)? }),
            Self::Extremes => {
                let count = parse_count(next())?;
                let mut extreme = || next().map(|text| parse_value(dialect, Some(text))).transpose();
                Tally::Extremes(Extremes { count, least: extreme()?, largest: extreme()? })
            }
        })
    }
}

/// The aggregate over both sets of rows, which are disjoint. Both tallies are of the same aggregate.
pub fn combined(one: Tally, other: Tally) -> Tally {
    match (one, other) {
        (Tally::Moments(one), Tally::Moments(other)) => Tally::Moments(one.add(&other)),
        (Tally::Sum(one), Tally::Sum(other)) => Tally::Sum(one.add(&other)),
        (Tally::Extremes(one), Tally::Extremes(other)) => Tally::Extremes(one.merge(other)),
        (one, _) => one,
    }
}

/// The aggregate over the rows of `all` that are not among those of `gone`. Only sums can be subtracted, and nothing else is
/// asked for of existing rows.
pub fn without(all: Tally, gone: Tally) -> Tally {
    match (all, gone) {
        (Tally::Sum(all), Tally::Sum(gone)) => Tally::Sum(all.subtract(&gone)),
        (all, _) => all,
    }
}
