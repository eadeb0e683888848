//! The dashboard: its package, its files over HTTP, and its pages in a browser.

#![expect(clippy::unwrap_used, reason = "these are tests; clippy knows only functions marked as such")]

#[path = "../support/packages.rs"]
#[expect(dead_code, reason = "other suites need more of it")]
mod packages;
#[expect(dead_code, reason = "the tests of the API need more of it")]
#[path = "../http/site.rs"]
mod site;
#[path = "../support/mod.rs"]
mod support;
#[expect(dead_code, reason = "the tests of collections need more of it")]
#[path = "../collect/world.rs"]
mod world;

mod browser;
mod built;
mod files;
mod first_answers;
mod package;
mod record;
