//! The query API over HTTP. An endpoint is a file in `api/`; `rest/` speaks PostgREST's language for existing clients;
//! `middleware/` surrounds them. Answers are made by [`crate::query`] and [`crate::collect`].
//!
//! **Architecture Invariant:** no SQL and no arithmetic on records in here.

mod answer;
mod answer_memory;
mod api;
mod cache;
mod cached_query;
mod catalogue;
mod client_io;
mod compression;
mod concurrency_limit;
mod dashboard;
mod docs;
mod error_problems;
mod event_streams;
mod fallback;
mod health;
mod health_metrics;
mod middleware;
mod parameters;
mod problem;
mod readiness;
pub mod rest;
mod router;
mod server;
mod service;
mod store_turns;
mod uncached;

pub use crate::jobs::MAX_RUNNING;
pub use docs::openapi_json;
pub use health_metrics::HealthMetrics;
pub use router::{router, with_middleware};
pub use server::Server;
pub use service::{Parts, Service, Shared};
