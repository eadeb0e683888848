//! The scheduler: which days it collects and when, on real databases with a clock that the test sets; two years of it
//! against an oracle, in every time zone; and leaders that are killed.

#![expect(clippy::unwrap_used, reason = "these are tests; clippy knows only functions marked as such")]

mod instances;
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../http/process.rs"]
mod process;
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../http/raw.rs"]
mod raw;
mod simulation;
#[path = "../support/mod.rs"]
mod support;
mod ticks;
#[expect(dead_code, reason = "the tests of collections need more of it")]
#[path = "../collect/world.rs"]
mod world;

/// A test for each named pair of store and platform.
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
