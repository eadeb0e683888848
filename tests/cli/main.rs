//! The built program: its arguments, its exit codes, and what it prints to stdout and stderr.

#![expect(clippy::unwrap_used, reason = "these are tests; clippy knows only functions marked as such")]

#[expect(dead_code, reason = "other tests stop and start it")]
#[path = "../support/server.rs"]
mod server;
#[path = "../support/mod.rs"]
mod support;

mod annotations;
mod arguments;
mod backups;
mod configuration;
mod cookbook;
mod corrections;
mod demonstration;
mod exit_codes;
mod first_use;
mod history;
mod interruption;
mod keys;
mod made_through_api;
mod migration_guide;
mod previews;
mod queries;
mod restate;
mod site;
mod story;

/// Runs each test with platform and store on SQLite, and with both on PostgreSQL.
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        mod sqlite { $(#[tokio::test]
            async fn $test() { super::$test(crate::site::Site::sqlite().await).await })+ }
        mod postgres { $(#[tokio::test]
            async fn $test() { super::$test(crate::site::Site::postgres().await).await })+ }
    };
}
pub(crate) use on_both;
