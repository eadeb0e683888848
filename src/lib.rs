//! Daymark records what a platform looked like at the end of each day, and keeps it that way.
//!
//! The main layers, from the top: `cli`, `http`, `scheduler`, `alerts` → `delivery`, `jobs`, `query`, `corrections` →
//! `definitions` → `collect` → `config` → `platform`, `store` → `metric`. `ARCHITECTURE.md` lists what each module uses.

// Code that input or the environment can reach returns errors and does not panic.
#![warn(clippy::expect_used, clippy::panic, clippy::unreachable)]

pub mod access;
pub mod alerts;
pub mod annotations;
pub mod authorities;
pub mod backup;
pub mod blocking;
pub mod cli;
pub mod clock;
pub mod collect;
pub mod config;
pub mod corrections;
pub mod database;
pub mod definitions;
pub mod delivery;
pub mod demo;
pub mod disk;
pub mod http;
pub mod identity;
pub mod jobs;
pub mod judgement;
pub mod message;
pub mod metric;
pub mod platform;
pub mod pluralize;
pub mod query;
pub mod scheduler;
pub mod store;
pub mod telemetry;
