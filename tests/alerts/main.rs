//! Notifications to real receivers on the loopback: an HTTP sink, a mail server and an Alertmanager; receivers that fail, hang or
//! are away; and rules of alerts over real stores with a clock that the test sets.

#![expect(clippy::unwrap_used, reason = "these are tests; clippy knows only functions marked as such")]

mod alertmanager;
mod deliveries;
mod mail;
#[path = "../support/packages.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod packages;
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
mod rules;
mod server;
mod sink;
#[path = "../support/mod.rs"]
mod support;
#[expect(dead_code, reason = "the tests of collections need more of it")]
#[path = "../collect/world.rs"]
mod world;

use pairs::on;
