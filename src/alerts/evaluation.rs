//! The result of the evaluation of a condition.

/// The result, with a sentence about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evaluation {
    Holds(String),
    Clear(String),
    /// Nothing is recorded by which the condition could be judged.
    NoData(String),
    /// The rule cannot be evaluated.
    Error(String),
}
