//! The functions of `daymark sql install`: they record what the service records, digit for digit, and only for callers who may.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../support/mod.rs"]
mod support;

mod calendar;
mod failures;
mod platform;
mod same_records;
