//! Fairness for the sessions of the store: the number of concurrent table reads of one principal is limited, because
//! each may be a scan, and they must not take all sessions from other principals.

use std::{sync::Arc, time::Duration};

use moka::{future::Cache, policy::EvictionPolicy};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many table reads of one principal run in the store at once. Further ones wait, within the time limit of their
/// request.
pub const TABLE_READS_PER_PRINCIPAL: usize = 2;
/// The limit of principals whose reads are counted. Beyond it, the count of the one with the oldest request is
/// forgotten.
const MAX_PRINCIPALS: u64 = 10_000;
/// Longer than a request may take.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3 * 3600);

pub struct StoreTurns(Cache<Arc<str>, Arc<Semaphore>>);

impl Default for StoreTurns {
    fn default() -> Self {
        let turns = Cache::builder().max_capacity(MAX_PRINCIPALS).time_to_idle(FORGOTTEN_AFTER);
        Self(turns.eviction_policy(EvictionPolicy::lru()).build())
    }
}

impl StoreTurns {
    /// Waits until the principal has fewer reads in progress than the limit. The turn ends when the permit is dropped.
    pub async fn table_read(&self, subject: &Arc<str>) -> Option<OwnedSemaphorePermit> {
        let turns = async { Arc::new(Semaphore::new(TABLE_READS_PER_PRINCIPAL)) };
        let turns = self.0.get_with_by_ref(subject, turns).await;
        // The semaphore is never closed, so this is never `None`.
        turns.acquire_owned().await.ok()
    }

    /// Frees the memory of principals without recent requests.
    pub async fn run_upkeep(&self) {
        self.0.run_pending_tasks().await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn further_reads_of_a_principal_wait_and_those_of_others_do_not() {
        let (turns, [one, other]) = (StoreTurns::default(), ["user:1", "user:2"].map(Arc::<str>::from));
        let first = turns.table_read(&one).await;
        let _second = turns.table_read(&one).await;
        assert!(turns.table_read(&one).now_or_never().is_none());
        assert!(turns.table_read(&other).now_or_never().flatten().is_some());
        drop(first);
        assert!(turns.table_read(&one).now_or_never().flatten().is_some());
    }
}
