//! The state that all requests share.

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use super::{
    answer_memory::AnswerMemory,
    cache::{Cache, OwnChanges},
    catalogue::CatalogueCache,
    concurrency_limit::ConcurrencyLimit,
    event_streams::EventStreams,
    health_metrics::HealthMetrics,
    readiness::Readiness,
    store_turns::StoreTurns,
};
use crate::{
    access::{Access, RateLimit},
    collect::Context,
    config::{Config, HttpSettings, QuerySettings},
    jobs::{JobRunner, MAX_RUNNING},
    query::Catalogue,
    store::{Store, StoreError},
    telemetry::Counters,
};

/// Samples of a histogram wait this long to be summed up: some MiB at fifty thousand requests a second. A shorter interval costs an idle
/// server more of the processor.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(2);
/// Requests that may wait for runs at once: eight times as many as there are runs, as several may wait for the same.
const MAX_WAITING: usize = 8 * MAX_RUNNING;
/// Definitions that are checked at once; each takes a few sessions of the platform.
const MAX_CHECKS: usize = 2;
/// Ranges of days that are recounted at once; each takes a session of the platform, for minutes where the range is long.
const MAX_RECOUNTS: usize = 2;

/// The state of a server. Handlers get an `Arc` of it.
pub struct Service {
    /// For queries. Its store does not retry: the client can do that.
    pub context: Context,
    /// As it was when the server started: the sources that new definitions read, and the names that are taken.
    pub config: Config,
    pub query: QuerySettings,
    pub http: HttpSettings,
    pub access: Access,
    pub rate_limit: RateLimit,
    /// Whether queries of a definition are refused where the platform's role may do more than read.
    pub guards_platform_role: bool,
    pub cache: Cache,
    pub answer_memory: AnswerMemory,
    pub jobs: Arc<JobRunner>,
    pub counters: Counters,
    /// A permit for each request that may be handled at once.
    pub permits: Arc<Semaphore>,
    /// One for each request that may wait for a run. Apart, as such a wait may take an hour.
    pub run_waits: Arc<Semaphore>,
    /// The limit of definitions that are checked at once, because each runs several statements on the platform.
    pub checks: Semaphore,
    /// The limit of ranges that are recounted at once. It is apart from `checks`, as a recount may take minutes.
    pub recounts: Semaphore,
    /// A permit for each export that may be streamed at once.
    pub exports: Arc<ConcurrencyLimit>,
    pub event_streams: EventStreams,
    /// For exports after their first page. Its store retries, and has sessions of its own: an export takes its time.
    pub patient: Context,
    pub readiness: Readiness,
    pub health_metrics: HealthMetrics,
    pub store_turns: StoreTurns,
    /// How often [`Service::run_upkeep`] is called.
    pub upkeep_interval: Duration,
    catalogue: CatalogueCache,
}

pub type Shared = Arc<Service>;

/// The parts of which a server is made. `jobs` retries more than `context`, and `readiness` is a store that nothing else uses.
pub struct Parts {
    pub context: Context,
    pub jobs: Context,
    pub readiness: Arc<dyn Store>,
    pub config: Config,
    pub query: QuerySettings,
    pub http: HttpSettings,
    pub access: Access,
    pub rate_limit: RateLimit,
    pub guards_platform_role: bool,
}

impl Service {
    /// Must be called within a Tokio runtime.
    pub fn new(parts: Parts) -> Self {
        let Parts { context, jobs, readiness, config, query, http, access, rate_limit, guards_platform_role } =
            parts;
        let own_changes = OwnChanges::default();
        Self {
            cache: Cache::new(context.tenant.store.watch(), own_changes.clone(), http.cache),
            jobs: Arc::new(JobRunner::new(jobs.clone(), move || own_changes.happened())),
            answer_memory: AnswerMemory::default(),
            counters: Counters::default(),
            permits: Arc::new(Semaphore::new(http.max_concurrent_requests)),
            run_waits: Arc::new(Semaphore::new(MAX_WAITING)),
            checks: Semaphore::new(MAX_CHECKS),
            recounts: Semaphore::new(MAX_RECOUNTS),
            exports: Arc::new(ConcurrencyLimit::new(http.max_concurrent_exports)),
            event_streams: EventStreams::default(),
            patient: jobs,
            health_metrics: HealthMetrics::new(&context, Arc::clone(&readiness)),
            readiness: Readiness::new(readiness),
            store_turns: StoreTurns::default(),
            upkeep_interval: UPKEEP_INTERVAL,
            catalogue: CatalogueCache::new(config.derived()),
            context,
            config,
            query,
            http,
            access,
            rate_limit,
            guards_platform_role,
        }
    }

    /// The definitions, from the cache unless the store changed.
    pub async fn catalogue(&self) -> Result<Arc<Catalogue>, StoreError> {
        self.catalogue.get(self.cache.store_version(), self.context.tenant.store.as_ref()).await
    }

    /// The definitions, read from the store in every case.
    pub async fn fresh_catalogue(&self) -> Result<Arc<Catalogue>, StoreError> {
        self.catalogue.refresh(self.cache.store_version(), self.context.tenant.store.as_ref()).await
    }

    /// Aggregates counters and frees the memory of expired entries.
    pub async fn run_upkeep(&self) {
        self.counters.run_upkeep();
        self.rate_limit.run_upkeep();
        self.cache.run_upkeep().await;
        self.store_turns.run_upkeep().await;
    }
}
