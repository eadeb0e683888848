//! Queries and exports, on both stores. The tests write records as collections would write them, and need no platform.

#![expect(clippy::unwrap_used, reason = "these are tests; clippy knows only functions marked as such")]

mod archive;
mod bounds;
mod derived;
mod exports;
mod gaps;
mod paging;
mod questions;
mod roll_ups;
#[path = "../support/mod.rs"]
mod support;

/// Runs each test on both stores.
macro_rules! on_both_stores {
    ($($test:ident),+ $(,)?) => {
        mod sqlite { $(#[tokio::test]
            async fn $test() { super::$test(crate::archive::Archive::sqlite().await).await })+ }
        mod postgres { $(#[tokio::test]
            async fn $test() { super::$test(crate::archive::Archive::postgres().await).await })+ }
    };
}
pub(crate) use on_both_stores;
