//! Faults, injected for real: the built program against real databases, killed, cut off, locked out, out of space,
//! without permission, twice at once. What was recorded must still be there, and what was not must be told.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../support/pooler.rs"]
mod pooler;
#[path = "../support/server.rs"]
mod server;
#[path = "../support/mod.rs"]
mod support;

mod database;
mod installation;
mod ledger;
mod small_disk;

mod at_once;
mod cancelled;
mod daylight_saving;
mod full_disk;
mod killed;
mod locked;
mod messages;
mod outage;
mod permissions;
mod poolers;
mod tls;

/// A test for each store, the platform being on the same engine.
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test(crate::installation::Installation::sqlite().await).await;
                }
            )+
        }
        mod postgres {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test(crate::installation::Installation::postgres().await).await;
                }
            )+
        }
    };
}
pub(crate) use on_both;
