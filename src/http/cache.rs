//! Answers kept in memory: for minutes at most, and not a moment longer than what they tell is all that is recorded.
//! Requests for an answer that is being made wait for it, so that many at once ask the store once.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use jiff::civil::Date;
use moka::{Expiry, future::Cache as Kept};

use super::{
    answer::Answer,
    problem::Problem,
    telemetry::{Cached, Telemetry},
};
use crate::store::SharedWatch;

/// All answers of a sort together, in bytes.
const MAX_SIZE: u64 = 32 << 20;
/// How long current figures are kept.
const CURRENT: Duration = Duration::from_secs(5 * 60);
/// How long activity is kept.
const ACTIVITY: Duration = Duration::from_secs(10 * 60);

/// How long an answer is kept that may become wrong without anything being committed: a run that it tells of may die.
const PASSING: Duration = Duration::from_secs(1);

/// How long an answer may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    Current,
    Activity,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct CacheKey {
    /// What the store's watch said: after a change the same request is another key.
    marker: u64,
    /// Which days are due depends on it.
    last_finished: Date,
    /// Path and query.
    request: Box<str>,
}

struct VolatileExpiry;

impl Expiry<CacheKey, Arc<Answer>> for VolatileExpiry {
    fn expire_after_create(&self, _: &CacheKey, answer: &Arc<Answer>, _: Instant) -> Option<Duration> {
        answer.is_volatile().then_some(PASSING)
    }
}

/// What this process recorded itself. The store's watch may hear of it a moment later than a client who waited for it.
#[derive(Debug, Clone, Default)]
pub struct OwnChanges(Arc<AtomicU64>);

impl OwnChanges {
    /// To be called after a commit, and before anybody is told of it.
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
    current: Kept<CacheKey, Arc<Answer>>,
    activity: Kept<CacheKey, Arc<Answer>>,
}

impl Cache {
    pub fn new(watch: SharedWatch, own_changes: OwnChanges, enabled: bool) -> Self {
        let kept = |time_to_live| {
            Kept::builder()
                .weigher(|key: &CacheKey, answer: &Arc<Answer>| {
                    u32::try_from(key.request.len() + answer.size()).unwrap_or(u32::MAX)
                })
                .max_capacity(MAX_SIZE)
                .time_to_live(time_to_live)
                .expire_after(VolatileExpiry)
                .build()
        };
        Self { watch, own_changes, enabled, current: kept(CURRENT), activity: kept(ACTIVITY) }
    }

    /// What tells whether something was recorded since.
    pub fn marker(&self) -> Option<u64> {
        // Neither counts down, so that no sum is there twice: the watch counts, or has hashes, far apart.
        self.watch.marker().map(|marker| marker.wrapping_add(self.own_changes.count()))
    }

    /// To be called after a commit of this process's own, and before anybody is told of it.
    pub fn changed_here(&self) {
        self.own_changes.happened();
    }

    /// The answer to `request` (path and query), made by `make` if it is not there.
    pub async fn answer(
        &self,
        keep: Keep,
        request: &str,
        last_finished: Date,
        telemetry: &Telemetry,
        make: impl Future<Output = Result<Answer, Problem>>,
    ) -> Result<Arc<Answer>, Problem> {
        let made = async { make.await.map(Arc::new) };
        // The marker is read before the store is: an answer that a commit overtakes is kept under the old one.
        let Some(marker) = self.enabled.then(|| self.marker()).flatten() else {
            telemetry.cache(Cached::Bypass);
            return made.await;
        };
        let kept = match keep {
            Keep::Current => &self.current,
            Keep::Activity => &self.activity,
        };
        let key = CacheKey { marker, last_finished, request: request.into() };
        if let Some(answer) = kept.get(&key).await {
            telemetry.cache(Cached::Hit);
            return Ok(answer);
        }
        telemetry.cache(Cached::Miss);
        kept.try_get_with(key, made).await.map_err(|problem: Arc<Problem>| (*problem).clone())
    }
}
