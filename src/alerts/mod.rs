//! Alerts: the holder of the lock of alerts evaluates the rules whenever the store changes, and every 30 seconds. The result of a
//! rule is a function of facts ([`condition`]), its next state is a function of that and of its former state ([`transition`]),
//! and the notifications are a function of the states ([`announcement`]). States and notifications are committed together.
//!
//! **Architecture Invariant:** these three functions do no input or output; the facts are read in `facts.rs` only.

pub mod announcement;
mod backtest;
pub mod condition;
mod evaluation;
mod evaluator;
mod facts;
mod metric_condition;
mod quality;
mod query_errors;
mod silence;
pub mod transition;

pub use backtest::{Backtest, RuleProblem, backtest};
pub use evaluator::Evaluator;
pub use facts::read_facts;
pub use query_errors::QueryErrors;
pub use silence::{SilenceError, silence, unsilence};
