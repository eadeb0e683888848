//! The planner: turns readings into as few SQL statements as it can, runs them in a session, and reads the answers.
//!
//! From below: [`dialect`], [`time`] and `sorted_text` write SQL; [`span`], [`scan`] and [`bisect`] make one pass over a source;
//! `folds` what is aggregated of a column; `scalars`, `quantiles`, `labels`, `distinct` and `query` are the kinds of reading; [`task`] gathers readings; [`cut`] runs the
//! tasks of a snapshot.

mod bisect;
pub(super) mod cut;
mod day_parameter;
pub(super) mod dialect;
mod distinct;
mod execute;
pub(super) mod flag;
mod folds;
pub(super) mod function;
mod labels;
mod moments;
mod named_source;
mod parse;
mod quantiles;
mod query;
mod read_relations;
mod runs_of_days;
mod scalars;
mod scan;
pub(super) mod session;
pub(super) mod single_select;
mod sorted_text;
mod span;
pub(super) mod statistics;
pub(super) mod task;
mod time;
