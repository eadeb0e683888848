//! The definitions in memory, read again whenever something may have changed: by one of the requests that need them,
//! while the others wait.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use crate::{
    query::Catalogue,
    store::{Store, StoreError},
};

#[derive(Default)]
pub struct KeptCatalogue {
    /// What was read last while there was a marker, and the marker from before that.
    kept: Mutex<Option<(u64, Arc<Catalogue>)>>,
    /// How many times reading has begun.
    begun: AtomicU64,
    /// What was read last, and how many times reading had begun then; locked while it is read.
    last: tokio::sync::Mutex<Option<(u64, Arc<Catalogue>)>>,
}

impl KeptCatalogue {
    /// The definitions. `marker` asks what the store's watch says now.
    pub async fn get(
        &self,
        marker: impl Fn() -> Option<u64>,
        store: &dyn Store,
    ) -> Result<Arc<Catalogue>, StoreError> {
        match self.kept(marker()) {
            Some(catalogue) => Ok(catalogue),
            None => self.read(marker, store, true).await,
        }
    }

    /// The definitions as they are now or later, whatever the store's watch says.
    pub async fn fresh(
        &self,
        marker: impl Fn() -> Option<u64>,
        store: &dyn Store,
    ) -> Result<Arc<Catalogue>, StoreError> {
        self.read(marker, store, false).await
    }

    async fn read(
        &self,
        marker: impl Fn() -> Option<u64>,
        store: &dyn Store,
        may_be_kept: bool,
    ) -> Result<Arc<Catalogue>, StoreError> {
        let arrived = self.begun.load(Ordering::Acquire);
        let mut last = self.last.lock().await;
        if let Some((begun, catalogue)) = last.as_ref()
            && *begun > arrived
        {
            return Ok(Arc::clone(catalogue));
        }
        let marker = marker();
        if may_be_kept && let Some(catalogue) = self.kept(marker) {
            return Ok(catalogue);
        }
        let begun = self.begun.fetch_add(1, Ordering::AcqRel) + 1;
        let catalogue = Arc::new(Catalogue::load(store).await?);
        *last = Some((begun, Arc::clone(&catalogue)));
        if let Some(marker) = marker {
            *self.lock() = Some((marker, Arc::clone(&catalogue)));
        }
        Ok(catalogue)
    }

    /// What is kept, if nothing can have changed since.
    fn kept(&self, marker: Option<u64>) -> Option<Arc<Catalogue>> {
        let kept = self.lock();
        let (kept_at, catalogue) = kept.as_ref()?;
        (marker == Some(*kept_at)).then(|| Arc::clone(catalogue))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(u64, Arc<Catalogue>)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future::join_all;

    use super::*;
    use crate::{
        database::{DatabaseUrl, RetryPolicy},
        store::{self, StoreOptions},
    };

    async fn empty_store(directory: &tempfile::TempDir) -> Arc<dyn Store> {
        let options = StoreOptions {
            tenant: "default".to_owned(),
            schema: store::DEFAULT_SCHEMA.to_owned(),
            retry: RetryPolicy { retries: 0, initial_delay: Duration::ZERO },
            statement_timeout: None,
        };
        let store = store::open(&DatabaseUrl::Sqlite(directory.path().join("store.db")), options);
        store.migrate().await.unwrap();
        store
    }

    #[tokio::test]
    async fn many_at_once_read_once() {
        let directory = tempfile::tempdir().unwrap();
        let store = empty_store(&directory).await;
        let times = async |marker: Option<u64>| {
            let catalogue = KeptCatalogue::default();
            for read in join_all((0..100).map(|_| catalogue.get(|| marker, store.as_ref()))).await {
                read.unwrap();
            }
            catalogue.begun.load(Ordering::Relaxed)
        };
        assert_eq!(times(Some(1)).await, 1);
        // Whoever came when it had begun already may not take that: something may have changed before.
        assert_eq!(times(None).await, 2);
    }

    #[tokio::test]
    async fn what_came_after_a_change_is_read_after_it() {
        let directory = tempfile::tempdir().unwrap();
        let store = empty_store(&directory).await;
        let catalogue = KeptCatalogue::default();
        let begun = async |marker| {
            catalogue.get(|| marker, store.as_ref()).await.unwrap();
            catalogue.begun.load(Ordering::Relaxed)
        };
        assert_eq!((begun(Some(1)).await, begun(Some(1)).await), (1, 1));
        assert_eq!((begun(Some(2)).await, begun(None).await, begun(None).await), (2, 3, 4));
        catalogue.fresh(|| Some(2), store.as_ref()).await.unwrap();
        assert_eq!(begun(Some(2)).await, 5);
    }
}
