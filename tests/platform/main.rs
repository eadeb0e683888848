//! The readings of the platform layer, compared with a naive count over the same rows in Rust.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod actors;
mod amounts;
mod columns;
mod cuts;
mod formats;
mod invalid_times;
mod limits;
mod oracle;
mod query_sources;
mod sqlite;
mod subject;
#[path = "../support/mod.rs"]
mod support;
mod text_numbers;
mod values;
