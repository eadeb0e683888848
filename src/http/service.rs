//! What all requests share.

use std::{sync::Arc, time::Duration};

use axum::http::HeaderValue;
use tokio::sync::Semaphore;

use super::{
    cache::{Cache, OwnChanges},
    catalogue::KeptCatalogue,
    health::Readiness,
    jobs::{Jobs, MAX_RUNNING},
    middleware::authenticate::rate_limit_policy,
    shares::Shares,
    telemetry::Telemetry,
    workers::Workers,
};
use crate::{
    access::{Access, RateLimit},
    collect::Context,
    config::{Config, HttpSettings, QuerySettings},
    query::Catalogue,
    store::StoreError,
};

/// At fifty thousand requests a second some hundred KiB of times wait to be summed up.
const UPKEEP: Duration = Duration::from_millis(500);

/// Requests that may wait for runs at once: eight times as many as there are runs, as several may wait for the same.
const MAX_WAITING: usize = 8 * MAX_RUNNING;
/// Definitions that are checked against the platform at once; each takes a few sessions of it.
const MAX_CHECKS: usize = 2;

/// The state of a server. Handlers get an `Arc` of it.
pub struct Service {
    /// For questions. Its store tries nothing again: whoever asks can do that.
    pub context: Context,
    /// As it was when the server started: whose sources new definitions read, and which names are taken.
    pub config: Config,
    pub query: QuerySettings,
    pub http: HttpSettings,
    pub access: Access,
    pub rate_limit: RateLimit,
    /// The same with each answer.
    pub rate_limit_policy: HeaderValue,
    pub cache: Cache,
    pub jobs: Jobs,
    pub telemetry: Telemetry,
    /// One for each request that may be worked on at once.
    pub permits: Arc<Semaphore>,
    /// One for each request that may wait for a run. Apart, as such a wait may take an hour.
    pub waits: Arc<Semaphore>,
    /// One for each definition that may be checked at once: the platform is asked several questions about it.
    pub checks: Semaphore,
    /// One for each export that may flow at once.
    pub exports: Arc<Shares>,
    /// For exports. Its store tries again, and has sessions of its own: an export takes its time.
    pub patient: Context,
    pub readiness: Readiness,
    pub workers: Workers,
    /// How often what was counted is summed up, so that it takes no more memory with every request, and what was noted of
    /// keys is written if it is time to.
    pub upkeep: Duration,
    catalogue: KeptCatalogue,
}

pub type Shared = Arc<Service>;

impl Service {
    /// `context` is for questions and `jobs` for runs, which have more patience. Must be called within a Tokio runtime.
    pub fn new(
        context: Context,
        jobs: Context,
        config: Config,
        query: QuerySettings,
        http: HttpSettings,
        access: Access,
        rate_limit: RateLimit,
    ) -> Self {
        let own_changes = OwnChanges::default();
        Self {
            cache: Cache::new(context.tenant.store.watch(), own_changes.clone(), http.cache),
            jobs: Jobs::new(jobs.clone(), own_changes),
            telemetry: Telemetry::new(),
            permits: Arc::new(Semaphore::new(http.max_concurrent_requests)),
            waits: Arc::new(Semaphore::new(MAX_WAITING)),
            checks: Semaphore::new(MAX_CHECKS),
            exports: Arc::new(Shares::new(http.max_concurrent_exports)),
            patient: jobs,
            readiness: Readiness::default(),
            workers: Workers::here(),
            upkeep: UPKEEP,
            catalogue: KeptCatalogue::default(),
            context,
            config,
            query,
            http,
            access,
            rate_limit_policy: rate_limit_policy(rate_limit.limit()),
            rate_limit,
        }
    }

    /// The definitions, as they are now.
    pub async fn catalogue(&self) -> Result<Arc<Catalogue>, StoreError> {
        self.catalogue.get(|| self.cache.marker(), self.context.tenant.store.as_ref()).await
    }

    /// The definitions, read again.
    pub async fn fresh_catalogue(&self) -> Result<Arc<Catalogue>, StoreError> {
        self.catalogue.fresh(|| self.cache.marker(), self.context.tenant.store.as_ref()).await
    }
}
