//! Tests that run with several pairs of store and platform.

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
