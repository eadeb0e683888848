//! The scheduler: which days it collects and when, on real databases with a clock that the test sets; two years of it
//! against an oracle, in every time zone; databases that are gone or silent; and leaders that are killed.

#![expect(clippy::unwrap_used, reason = "these are tests; clippy knows only functions marked as such")]

mod instances;
mod midnight;
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
#[path = "../support/server.rs"]
mod server;
mod silent;
mod simulated_world;
mod simulation;
#[path = "../support/mod.rs"]
mod support;
mod ticks;
#[expect(dead_code, reason = "the tests of collections need more of it")]
#[path = "../collect/world.rs"]
mod world;

use pairs::on;
