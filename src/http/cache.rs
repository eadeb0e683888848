//! Answers in memory: for minutes at most, and only as long as nothing else is committed to the store. Requests for an
//! answer that is being made wait for it, so that many at once query the store once.

use std::{
    any::Any,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use jiff::civil::Date;
use moka::{Expiry, future::Cache as MokaCache, policy::EvictionPolicy};

use super::{answer::Answer, answer_memory::BUDGET_BYTES};
use crate::{
    store::SharedWatch,
    telemetry::{Counters, counters::CacheOutcome},
};

/// The limit of all cached answers together, in bytes: half of the memory for answers, so that the other half is always
/// free for new ones.
const MAX_BYTES: u64 = BUDGET_BYTES as u64 / 2;
/// The lifetime of answers that may become wrong without a commit, because a running run that they contain may die.
const VOLATILE_LIFETIME: Duration = Duration::from_secs(1);

/// The class of an answer, which decides how long it may be cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lifetime {
    /// Current figures, series and tables.
    FiveMinutes,
    /// Activity.
    TenMinutes,
}

impl Lifetime {
    fn duration(self) -> Duration {
        match self {
            Self::FiveMinutes => Duration::from_secs(5 * 60),
            Self::TenMinutes => Duration::from_secs(10 * 60),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct CacheKey {
    /// The store's version: it changes with every commit.
    store_version: u64,
    /// The last finished day, on which it depends which days are due.
    last_finished: Date,
    lifetime: Lifetime,
    /// The parts of the request on which the answer depends.
    request: Box<str>,
}

struct AnswerExpiry;

impl Expiry<CacheKey, Arc<Answer>> for AnswerExpiry {
    fn expire_after_create(&self, key: &CacheKey, answer: &Arc<Answer>, _: Instant) -> Option<Duration> {
        Some(if answer.is_volatile() { VOLATILE_LIFETIME } else { key.lifetime.duration() })
    }
}

/// Counts the commits of this process. The store's watch may learn of them a moment later than a client that waited for
/// one.
#[derive(Debug, Clone, Default)]
pub struct OwnChanges(Arc<AtomicU64>);

impl OwnChanges {
    /// It must be called after a commit, and before a client gets its answer.
    pub fn happened(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

pub struct Cache {
    watch: SharedWatch,
    own_changes: OwnChanges,
    enabled: bool,
    answers: MokaCache<CacheKey, Arc<Answer>>,
}

impl Cache {
    pub fn new(watch: SharedWatch, own_changes: OwnChanges, enabled: bool) -> Self {
        let answers = MokaCache::builder()
            .weigher(|key: &CacheKey, answer: &Arc<Answer>| {
                u32::try_from(key.request.len() + answer.size()).unwrap_or(u32::MAX)
            })
            .max_capacity(MAX_BYTES)
            // The default policy would keep answers that were used often, even those of earlier store versions, which are never used again.
            .eviction_policy(EvictionPolicy::lru())
            .expire_after(AnswerExpiry)
            .build();
        Self { watch, own_changes, enabled, answers }
    }

    /// The store's version, which changes with every commit; `None` while changes cannot be noticed.
    pub fn store_version(&self) -> Option<u64> {
        // Neither part counts down, and the watch's values are counted or far apart, so no sum occurs twice.
        self.watch.store_version().map(|store_version| store_version.wrapping_add(self.own_changes.count()))
    }

    /// Detects commits to the store.
    pub fn watch(&self) -> SharedWatch {
        Arc::clone(&self.watch)
    }

    /// It must be called after a commit of this process, and before a client gets its answer.
    pub fn changed_here(&self) {
        self.own_changes.happened();
    }

    /// The answer to `request`, made by `make` if it is not cached.
    pub async fn answer<E: Any + Clone + Send + Sync>(
        &self,
        lifetime: Lifetime,
        request: &str,
        last_finished: Date,
        counters: &Counters,
        make: impl Future<Output = Result<Answer, E>>,
    ) -> Result<Arc<Answer>, E> {
        let make = async { make.await.map(Arc::new) };
        // The store version is read before the store is. If a commit comes in between, the answer is cached under the earlier version.
        let Some(store_version) = self.enabled.then(|| self.store_version()).flatten() else {
            counters.cache(CacheOutcome::Bypass);
            return make.await;
        };
        let key = CacheKey { store_version, last_finished, lifetime, request: request.into() };
        if let Some(answer) = self.answers.get(&key).await {
            counters.cache(CacheOutcome::Hit);
            return Ok(answer);
        }
        counters.cache(CacheOutcome::Miss);
        self.answers.try_get_with(key, make).await.map_err(|error: Arc<E>| (*error).clone())
    }

    /// Frees the memory of answers that have expired, which otherwise waits for further requests.
    pub async fn run_upkeep(&self) {
        self.answers.run_pending_tasks().await;
    }
}
