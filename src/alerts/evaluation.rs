//! What the evaluation of a condition finds.

/// What was found, each with a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evaluation {
    Holds(String),
    Clear(String),
    /// Nothing is recorded by which the condition could be judged.
    NoData(String),
    /// The rule cannot be evaluated.
    Error(String),
}
