//! Conditions on the rows of a source. They are data, not SQL, so that definitions may come from people who must not
//! run SQL of their own, and so that the planner can group metrics by the columns they look at.

use serde::{Deserialize, Serialize};

use super::Decimal;

/// Conditions that must all hold. Empty: every row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Filter(pub Vec<Condition>);

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Condition {
    pub column: String,
    pub test: Test,
}

/// As in SQL, a NULL passes none of these but [`Test::IsNull`] with `true`, and [`Test::IsNot`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    Equals(Literal),
    NotEquals(Literal),
    In(Vec<Literal>),
    NotIn(Vec<Literal>),
    LessThan(Literal),
    AtMost(Literal),
    GreaterThan(Literal),
    AtLeast(Literal),
    IsNull(bool),
    /// None of these values; NULL passes.
    IsNot(Vec<Literal>),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Literal {
    Boolean(bool),
    Number(Decimal),
    Text(String),
}

impl Filter {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rows that pass both filters.
    pub fn and(&self, other: &Self) -> Self {
        let mut conditions = self.0.clone();
        for condition in &other.0 {
            if !conditions.contains(condition) {
                conditions.push(condition.clone());
            }
        }
        Self(conditions)
    }

    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|condition| condition.column.as_str())
    }
}
