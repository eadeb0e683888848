//! What all requests share.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::{cache::Cache, jobs::Jobs, telemetry::Telemetry};
use crate::{
    collect::Context,
    config::{HttpSettings, QuerySettings},
};

/// The state of a server. Handlers get an `Arc` of it.
pub struct Service {
    pub context: Context,
    pub query: QuerySettings,
    pub http: HttpSettings,
    pub cache: Cache,
    pub jobs: Jobs,
    pub telemetry: Telemetry,
    /// One for each request that may be worked on at once.
    pub permits: Semaphore,
}

pub type Shared = Arc<Service>;

impl Service {
    /// Must be called within a Tokio runtime.
    pub fn new(context: Context, query: QuerySettings, http: HttpSettings) -> Self {
        Self {
            cache: Cache::new(context.store.watch(), http.cache),
            jobs: Jobs::new(context.clone()),
            telemetry: Telemetry::new(),
            permits: Semaphore::new(http.max_concurrent_requests),
            context,
            query,
            http,
        }
    }
}
