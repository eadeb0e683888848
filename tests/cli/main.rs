//! The built program: its arguments, its exit codes, and what it prints to stdout and stderr.

#![expect(clippy::unwrap_used, reason = "these are tests; clippy knows only functions marked as such")]

#[expect(dead_code, reason = "other tests stop and start it")]
#[path = "../support/server.rs"]
mod server;
#[expect(dead_code, reason = "the tests of deliveries need more of it")]
#[path = "../alerts/sink.rs"]
mod sink;
#[path = "../support/mod.rs"]
mod support;

mod alerts;
mod annotations;
mod arguments;
mod backups;
mod chosen_metrics;
mod compared;
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
mod preset_shapes;
mod presets;
mod previews;
mod queries;
mod redact;
mod restate;
mod site;
mod story;
mod terminal_texts;

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
