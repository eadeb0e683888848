//! What is folded of a column (moments, a sum, extremes), as a database computes it over rows, combines it over groups of
//! rows, and as it is read back.

use super::{
    dialect::Dialect,
    moments::{MomentSql, numeric, read_moments},
    parse::{parse_count, parse_decimal},
};
use crate::{
    database::Fault,
    metric::{ColumnSum, Extremes, Moments},
    platform::schema::{Column, ColumnType},
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
}

impl Fold {
    /// `column` is the schema's description of the column `name`, if it has one.
    pub fn sql(self, dialect: Dialect, table: &str, name: &str, column: Option<&Column>) -> FoldSql {
        let added = |sql: String| Aggregate { sql, combined_by: "sum" };
        let (aggregates, constants) = match self {
            Self::Moments => {
                let MomentSql { aggregates, constants } = MomentSql::new(dialect, table, name, column);
                (aggregates.into_iter().map(added).collect(), constants)
            }
            Self::Sum => {
                let number = summand(dialect, name, column);
                (vec![added(format!("count({number})")), added(format!("sum({number})"))], Vec::new())
            }
            Self::Extremes => {
                let number = number(dialect, name);
                let extreme = |function: &'static str| Aggregate {
                    sql: format!("{function}({number})"),
                    combined_by: function,
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
            Self::Sum => Folded::Sum(ColumnSum { count: parse_count(next())?, sum: parse_decimal(next())? }),
            Self::Extremes => {
                let count = parse_count(next())?;
                let mut extreme = || next().map(|text| parse_decimal(Some(text))).transpose();
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

/// The column as a number; NULL where it holds none. A text is not a number on SQLite, even if SQLite would read one from its
/// beginning.
pub fn number(dialect: Dialect, name: &str) -> String {
    let name = dialect.name(name);
    match dialect {
        Dialect::Postgres => name,
        Dialect::Sqlite => format!("CASE WHEN typeof({name}) IN ('integer', 'real') THEN {name} END"),
    }
}

/// The column as a number that adds up exactly. PostgreSQL adds integers up without an overflow by itself.
pub fn summand(dialect: Dialect, name: &str, column: Option<&Column>) -> String {
    match (dialect, column.map(|column| column.column_type)) {
        (Dialect::Sqlite, _) | (_, Some(ColumnType::Integer)) => number(dialect, name),
        _ => numeric(&dialect.name(name), column),
    }
}
