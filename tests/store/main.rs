//! The conformance suite: every test of the contract `Store` runs on real PostgreSQL databases and on real SQLite files. Start
//! reading with `story.rs`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alerts;
mod annotations;
mod api_keys;
mod backups;
mod concurrency;
mod constraints;
mod corrections_model;
mod events;
mod failures;
mod fixture;
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../support/grants.rs"]
mod grants;
mod hostile_roles;
mod immutability;
mod integrity;
mod jobs;
mod judgements;
mod long_series;
mod privileges;
mod questions;
mod redaction_refusals;
mod redactions;
mod replaced_file;
mod revisions;
mod run_outcomes;
mod sample;
mod schedule;
mod schema;
mod series_plans;
mod server_settings;
mod sessions;
mod settled;
mod story;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod table_plans;
mod trust;
mod upgrades;
