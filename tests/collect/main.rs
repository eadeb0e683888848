//! Collecting, backfilling and reporting on real databases. Each test runs with platform and store on SQLite and with both on
//! PostgreSQL; the first tests of a file also run with one on each.

#![expect(clippy::unwrap_used, reason = "these are tests; clippy knows only functions marked as such")]

#[path = "../support/server.rs"]
mod server;
#[path = "../support/mod.rs"]
mod support;
mod world;

mod backfill;
mod connections;
mod day;
mod definitions;
mod drift;
mod freshness;
mod health;
mod jobs;
mod judging;
mod old_objects;
mod outage;
mod pairs;
mod reports;
mod restatements;
mod visibility;

use pairs::on;
