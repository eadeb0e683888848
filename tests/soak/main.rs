//! That a server is after long use as it was before: many incomplete runs, long metadata, a burst of clients, and then an hour
//! of the clock. The short form runs with all tests; `DAYMARK_SOAK=long` makes it as long as the promise.

#![expect(clippy::unwrap_used, reason = "these are tests; clippy knows only functions marked as such")]

#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../http/raw.rs"]
mod raw;
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../http/site.rs"]
mod site;
#[path = "../support/mod.rs"]
mod support;
#[expect(dead_code, reason = "the tests of collections need more of it")]
#[path = "../collect/world.rs"]
mod world;

mod burst;
