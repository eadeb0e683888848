//! Collecting, backfilling and reporting on real databases. Each test runs with platform and store on SQLite and with both on
//! PostgreSQL; the first tests of a file also run with one on each.

#![expect(clippy::unwrap_used, reason = "these are tests; clippy knows only functions marked as such")]

#[path = "../support/server.rs"]
mod server;
#[path = "../support/mod.rs"]
mod support;
mod world;

mod backfill;
mod day;
mod definitions;
mod freshness;
mod jobs;
mod outage;
mod reports;
mod visibility;

/// Runs each test with each named pair of store and platform.
macro_rules! on {
    ([$($pair:ident),+] $($test:ident),+ $(,)?) => {
        on!(@ [$($pair),+] [$($test),+]);
    };
    (@ [$($pair:ident),+] $tests:tt) => { $(on!(# $pair $tests);)+ };
    (# $pair:ident [$($test:ident),+]) => {
        mod $pair {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test(crate::world::World::$pair().await).await;
                }
            )+
        }
    };
}
pub(crate) use on;
