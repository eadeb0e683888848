//! The functions of `daymark sql install`: they record what the service records, digit for digit, and only for callers who may.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../support/packages.rs"]
#[expect(dead_code, reason = "these tests need no packages of Python")]
mod packages;
#[path = "../support/server.rs"]
mod server;
#[path = "../support/mod.rs"]
mod support;

mod calendar;
mod corrections;
mod cron;
mod edge_function;
mod failures;
mod permissions;
mod platform;
mod postgrest;
#[path = "../support/postgrest.rs"]
mod postgrest_server;
#[path = "../cli/preset_shapes.rs"]
mod preset_shapes;
mod same_records;
#[path = "../cli/first_use/shape.rs"]
#[expect(dead_code, reason = "the tests of the command line read the rest of it")]
mod shape;
mod supabase;
