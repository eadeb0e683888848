//! What is folded of a column (moments, a sum, extremes), as a database computes it over rows, combines it over groups of
//! rows, and as it is read back.

use super::{
    dialect::Dialect,
    moments::{MomentSql, read_moments},
    numbers::{number, parse_value, read_sum, summands, with_all_digits},
    parse::parse_count,
};
use crate::{
    database::Fault,
    metric::{ColumnSum, Extremes, Moments},
    platform::schema::Column,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fold {
    Moments,
    Sum,
    Extremes,
}

/// The result of a fold over some rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Folded {
    Moments(Moments),
    Sum(ColumnSum),
    Extremes(Extremes),
}

/// The SQL of a fold.
pub struct FoldSql {
    pub aggregates: Vec<Aggregate>,
    /// Expressions that have the same value for all rows.
    pub constants: Vec<String>,
}

/// An aggregate over rows, without a filter clause.
pub struct Aggregate {
    pub sql: String,
    /// The aggregate function that combines its values over groups of rows.
    pub combined_by: &'static str,
    /// Whether its result is a value of the column.
    is_value: bool,
}

impl Aggregate {
    /// The result of the aggregate, which `sql` computes, as it stands in an answer.
    pub fn in_answer(&self, dialect: Dialect, sql: String) -> String {
        if self.is_value { with_all_digits(dialect, &sql) } else { sql }
    }
}

impl Fold {
    /// `column` is the schema's description of the column `name`, if it has one.
    pub fn sql(self, dialect: Dialect, table: &str, name: &str, column: Option<&Column>) -> FoldSql {
        let added = |sql: String| Aggregate { sql, combined_by: "sum", is_value: false };
        let (aggregates, constants) = match self {
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
                let extreme = |function: &'static str| Aggregate {
                    sql: format!("{function}({number})"),
                    combined_by: function,
                    is_value: true,
                };
                (vec![added(format!("count({number})")), extreme("min"), extreme("max")], Vec::new())
            }
        };
        FoldSql { aggregates, constants }
    }

    /// The number of values in an answer of PostgreSQL.
    pub fn postgres_cells(self) -> usize {
        match self {
            Self::Sum => 2,
            Self::Moments | Self::Extremes => 3,
        }
    }

    /// The fold of no rows.
    pub fn of_no_rows(self) -> Folded {
        match self {
            Self::Moments => Folded::Moments(Moments::zero()),
            Self::Sum => Folded::Sum(ColumnSum::default()),
            Self::Extremes => Folded::Extremes(Extremes::default()),
        }
    }

    /// The fold that the next values of an answer say.
    pub fn read<'a>(
        self,
        dialect: Dialect,
        next: &mut dyn FnMut() -> Option<&'a str>,
    ) -> Result<Folded, Fault> {
        Ok(match self {
            Self::Moments => Folded::Moments(read_moments(dialect, next)?),
            Self::Sum => {
                Folded::Sum(ColumnSum { count: parse_count(next())?, sum: read_sum(dialect, next)? })
            }
            Self::Extremes => {
                let count = parse_count(next())?;
                let mut extreme = || next().map(|text| parse_value(dialect, Some(text))).transpose();
                Folded::Extremes(Extremes { count, least: extreme()?, largest: extreme()? })
            }
        })
    }
}

impl Folded {
    /// The fold over both sets of rows, which are disjoint.
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Moments(one), Self::Moments(other)) => Self::Moments(one.add(&other)),
            (Self::Sum(one), Self::Sum(other)) => Self::Sum(one.add(&other)),
            (Self::Extremes(one), Self::Extremes(other)) => Self::Extremes(one.merge(other)),
            // The folds of one column are all of one kind.
            (one, _) => one,
        }
    }

    /// The fold over the rows that are left when those of `other` are gone. Only sums have one; nothing else is asked for of
    /// existing rows.
    pub fn without(self, other: Self) -> Self {
        match (self, other) {
            (Self::Sum(one), Self::Sum(other)) => Self::Sum(one.subtract(&other)),
            (one, _) => one,
        }
    }
}
