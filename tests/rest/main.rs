//! `/rest/v1` with each store: with the real supabase-js, beside a real PostgREST, and with hostile strings.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod documented;
mod injection;
#[expect(dead_code, reason = "other tests use Python")]
#[path = "../support/packages.rs"]
mod packages;
mod page;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod postgrest;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[path = "../support/postgrest.rs"]
mod postgrest_server;
mod runs;
mod site;
mod supabase;
#[path = "../support/mod.rs"]
mod support;
mod tables;
#[expect(dead_code, reason = "other tests use the rest of it")]
#[path = "../collect/world.rs"]
mod world;

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
