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

type Read = Result<Arc<Catalogue>, StoreError>;

#[derive(Default)]
pub struct KeptCatalogue {
    /// What was read last while there was a marker, and the marker from before that.
    kept: Mutex<Option<(u64, Arc<Catalogue>)>>,
    /// How many times reading has begun.
    begun: AtomicU64,
    /// How many had begun when the reading began that came to its end last.
    ended: AtomicU64,
    /// What came of it the last time, and how many times reading had begun then; locked while it is read.
    last: tokio::sync::Mutex<Option<(u64, Read)>>,
}

impl KeptCatalogue {
    /// The definitions. `marker` asks what the store's watch says now.
    pub async fn get(&self, marker: impl Fn() -> Option<u64>, store: &dyn Store) -> Read {
        match self.kept(marker()) {
            Some(catalogue) => Ok(catalogue),
            None => self.read(marker, store, true).await,
        }
    }

    /// The definitions as they are now or later, whatever the store's watch says.
    pub async fn fresh(&self, marker: impl Fn() -> Option<u64>, store: &dyn Store) -> Read {
        self.read(marker, store, false).await
    }

    async fn read(&self, marker: impl Fn() -> Option<u64>, store: &dyn Store, may_be_kept: bool) -> Read {
        let (begun_before, ended_before) =
            (self.begun.load(Ordering::Acquire), self.ended.load(Ordering::Acquire));
        let mut last = self.last.lock().await;
        if let Some((begun, read)) = last.as_ref() {
            // What was read must be of now or later. That the store is away is known from whoever found it out meanwhile:
            // to wait and find it out again takes twice the time, and one after the other for ever.
            let meanwhile = if read.is_ok() { begun_before } else { ended_before };
            if *begun > meanwhile {
                return read.clone();
            }
        }
        let marker = marker();
        if may_be_kept && let Some(catalogue) = self.kept(marker) {
            return Ok(catalogue);
        }
        let begun = self.begun.fetch_add(1, Ordering::AcqRel) + 1;
        let read = Catalogue::load(store).await.map(Arc::new);
        *last = Some((begun, read.clone()));
        self.ended.store(begun, Ordering::Release);
        if let (Some(marker), Ok(catalogue)) = (marker, &read) {
            *self.lock() = Some((marker, Arc::clone(catalogue)));
        }
        read
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
        database::RetryPolicy,
        store::{self, StoreOptions},
    };

    async fn empty_store(directory: &tempfile::TempDir) -> Arc<dyn Store> {
        let store = at(&format!("sqlite:{}", directory.path().join("store.db").display()));
        store.migrate().await.unwrap();
        store
    }

    fn at(url: &str) -> Arc<dyn Store> {
        let options = StoreOptions {
            tenant: "default".to_owned(),
            schema: store::DEFAULT_SCHEMA.to_owned(),
            retry: RetryPolicy { retries: 0, initial_delay: Duration::ZERO },
            statement_timeout: None,
        };
        store::open(&url.parse().unwrap(), options)
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
    async fn many_at_once_fail_at_once() {
        let (store, catalogue) = (at("postgres://postgres@127.0.0.1:1/nowhere"), KeptCatalogue::default());
        for read in join_all((0..100).map(|_| catalogue.get(|| Some(1), store.as_ref()))).await {
            read.unwrap_err();
        }
        assert_eq!(catalogue.begun.load(Ordering::Relaxed), 1, "one found out for all");
        catalogue.get(|| Some(1), store.as_ref()).await.unwrap_err();
        assert_eq!(catalogue.begun.load(Ordering::Relaxed), 2, "who comes later tries again");
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
