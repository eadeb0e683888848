//! The command line: reads the arguments, calls the layer below, and prints the result. Each command has its own file.
//!
//! **Architecture Invariant:** this module computes nothing that another front end would need too.

mod alerts;
mod annotations;
mod app;
mod apply;
mod backfill;
mod backup;
mod backup_findings;
mod check;
mod collect;
mod command_line;
mod config_arguments;
mod correct;
mod corrections;
mod corrections_file;
mod day_chart;
mod demo;
mod demo_server;
mod drift;
mod duration;
mod exit;
mod export;
mod first_backfill;
mod gaps;
mod gaps_as_of;
mod health_lines;
mod init;
mod init_questions;
mod judge;
mod keys;
mod latest_values;
mod migrate;
mod output;
mod plan;
mod preview;
mod progress;
mod query;
mod redact;
mod restate;
mod schedule;
mod series_arguments;
mod serve;
mod signals;
mod sql;
mod status;
mod supervise;
mod word_parser;

pub use command_line::run;
pub use exit::Exit;

use crate::query::day as date;
use app::App;
use config_arguments::ConfigArguments;
use output::{Format, Page};
