//! The built program against real databases under real faults: killed, disconnected, locked out, out of space, without
//! permission, and two at once. Records must not be lost, and days that are missing must be reported.

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
mod checks;
mod daylight_saving;
mod full_disk;
mod killed;
mod killed_restatements;
mod killed_restore;
mod locked;
mod messages;
mod outage;
mod permissions;
mod poolers;
mod tls;

/// Runs each test with platform and store on SQLite, and with both on PostgreSQL.
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
