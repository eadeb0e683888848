//! The OpenAPI document, checked with external tools, and the TypeScript client whose types are generated from it.

#![expect(clippy::unwrap_used, reason = "these are tests; clippy knows only functions marked as such")]

#[path = "../support/packages.rs"]
mod packages;
#[expect(dead_code, reason = "the tests of the API need more of it")]
#[path = "../http/site.rs"]
mod site;
#[path = "../support/mod.rs"]
mod support;
#[expect(dead_code, reason = "the tests of collections need more of it")]
#[path = "../collect/world.rs"]
mod world;

mod document;
mod typescript;
