//! The API over real HTTP, with each store.

#![expect(clippy::unwrap_used, reason = "these are tests; clippy knows only functions marked as such")]

#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../support/grants.rs"]
mod grants;
#[path = "../support/server.rs"]
mod server;
#[path = "../support/mod.rs"]
mod support;
#[expect(dead_code, reason = "the tests of collections need more of it")]
#[path = "../collect/world.rs"]
mod world;

mod annotations;
mod anomalies;
mod answers;
mod caching;
mod corrected_values;
mod corrections;
mod crowd;
mod definition_races;
mod definition_refusals;
mod definitions;
mod derived;
mod drift;
mod edges;
mod erasure;
mod events;
mod fairness;
mod given_up;
mod half_closing;
mod hostile;
mod hostile_rows;
mod jobs;
mod keys;
mod log;
mod previews;
mod process;
mod raw;
mod readers;
mod refusals;
mod restatements;
mod robustness;
mod schedule;
mod sessions;
mod settled;
mod site;
mod slow;
mod stopping;
mod storm;
mod unreadable;
mod witness;

/// Runs each test on both stores.
#[macro_export]
macro_rules! on_both_stores {
    ($($name:ident),* $(,)?) => {
        mod on_postgres { $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name($crate::site::Site::postgres().await).await })* }
        mod on_sqlite { $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name($crate::site::Site::sqlite().await).await })* }
    };
}
