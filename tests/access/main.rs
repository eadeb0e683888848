//! Authentication and authorisation: valid tokens and keys and invalid ones of every kind, on real stores, with real key sets
//! over HTTP.
//!
//! The private keys in `keys/` were made for these tests and guard nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod admins;
mod api_keys;
mod failures;
mod headers;
mod https;
mod key_sets;
mod mode;
mod row_security;
mod secrets;
#[path = "../support/server.rs"]
#[expect(dead_code, reason = "these tests stop no server in the middle of a run")]
mod server;
#[path = "../support/mod.rs"]
mod support;
mod tokens;
mod world;
