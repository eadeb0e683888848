//! The query API over HTTP. An endpoint is a file in `api/`; `rest/` speaks PostgREST's language for clients that exist;
//! `middleware/` is what happens around them. What is answered is made by [`crate::query`] and [`crate::collect`].
//!
//! **Architecture Invariant:** no SQL and no arithmetic on records in here.

mod answer;
mod api;

mod cache;
mod cached_query;
mod catalogue;
mod connections;
mod docs;
mod fronts;
mod health;
mod jobs;
mod middleware;
mod parameters;
mod problem;
pub mod rest;
mod router;
mod server;
mod service;
mod shares;
mod telemetry;
mod wire;
mod workers;

pub use docs::openapi_json;
pub use jobs::MAX_RUNNING;
pub use middleware::request_id::current_request_id;
pub use router::{router, with_middleware};
pub use server::{Bound, Peer};
pub use service::{Service, Shared};
