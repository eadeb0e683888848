//! What must hold for long. Memory, sessions and answer times of a server are the same before and after long use: many incomplete
//! runs, long metadata, a burst of clients, and an hour of the clock. Notifications are neither lost nor doubled, however often a
//! server is killed, and while a receiver is away for a day. No day is missed by three servers of which one is killed, or whose database
//! is stopped or hangs, for an hour. The short form runs with all tests; `DAYMARK_SOAK=long` selects the long form, with 10,000 runs,
//! two years of metadata, 1,000 kills and an hour of faults (`SOAK_SECONDS` sets another time).

#![expect(clippy::unwrap_used, reason = "these are tests; clippy knows only functions marked as such")]

mod cluster;
mod faults;
mod notifications;
#[path = "../collect/pairs.rs"]
mod pairs;
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../http/process.rs"]
mod process;
#[path = "../support/proxy.rs"]
mod proxy;
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../http/raw.rs"]
mod raw;
mod scale;
#[path = "../support/server.rs"]
mod server;
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../alerts/sink.rs"]
mod sink;
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../http/site.rs"]
mod site;
#[path = "../support/mod.rs"]
mod support;
#[expect(dead_code, reason = "the tests of collections need more of it")]
#[path = "../collect/world.rs"]
mod world;

mod burst;
