//! What Prometheus and Grafana get: `/metrics` before promtool, the alert rules and their own tests, a real Prometheus that
//! scrapes a server, and that rules and dashboard name only metrics that exist.

#![expect(clippy::unwrap_used, reason = "these are tests; clippy knows only functions marked as such")]

#[path = "../support/packages.rs"]
#[expect(dead_code, reason = "other tests install packages of npm and PyPI")]
mod packages;
#[path = "../http/process.rs"]
#[expect(dead_code, reason = "the tests of the API need more of it")]
mod process;
mod prometheus;
#[path = "../http/raw.rs"]
#[expect(dead_code, reason = "the tests of the API need more of it")]
mod raw;
mod scrapes;
#[expect(dead_code, reason = "the tests of the API need more of it")]
#[path = "../http/site.rs"]
mod site;
#[path = "../support/mod.rs"]
mod support;
#[expect(dead_code, reason = "the tests of collections need more of it")]
#[path = "../collect/world.rs"]
mod world;
