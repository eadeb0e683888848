//! The planner: turns readings into as few SQL statements as it can, runs them in a session, and reads the answers.
//!
//! From below: [`dialect`], [`time`] and `sorted_text` write SQL; [`span`], [`scan`] and [`bisect`] make one pass over a source;
//! `numbers` reads values and sums of a column, `text_numbers` refuses those that are texts, `column_aggregate` what is aggregated of it; `scalars`, `quantiles`, `labels`, `distinct`,
//! `cohorts`, `growth` and `query` are the kinds of reading; [`gather`] makes each group of readings a `task`; [`cut`] runs the tasks
//! of a snapshot.

mod activity;
mod actor_tasks;
mod bisect;
mod cohorts;
mod column_aggregate;
pub(super) mod cut;
mod day_boundaries;
mod day_parameter;
pub(super) mod dialect;
mod distinct;
mod execute;
pub(super) mod flag;
pub(super) mod function;
pub(super) mod gather;
mod growth;
mod labels;
mod moments;
mod named_source;
mod numbers;
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
mod task;
pub(super) mod text_numbers;
mod time;
