//! The definitions in memory, read again after every change of the store. Requests that come while they are read wait for
//! the same read.

use std::sync::Arc;

use moka::{future::Cache, policy::EvictionPolicy};

use crate::{
    metric::DerivedMetric,
    query::Catalogue,
    store::{Store, StoreError},
};

/// The catalogue by the store version. An entry of an earlier version is never used again.
pub struct CatalogueCache {
    by_version: Cache<u64, Arc<Catalogue>>,
    /// The derived metrics of the configuration, which do not change while the server runs.
    derived: Arc<[DerivedMetric]>,
}

impl CatalogueCache {
    pub fn new(derived: Arc<[DerivedMetric]>) -> Self {
        // The default policy refuses a new entry as long as the present one is used more often.
        let by_version = Cache::builder().max_capacity(1).eviction_policy(EvictionPolicy::lru()).build();
        Self { by_version, derived }
    }

    async fn load(&self, store: &dyn Store) -> Result<Arc<Catalogue>, StoreError> {
        Ok(Arc::new(Catalogue::load(store).await?.with_derived(&self.derived)))
    }

    /// The definitions. `store_version` is the store version from before this call; without one nothing is cached.
    pub async fn get(
        &self,
        store_version: Option<u64>,
        store: &dyn Store,
    ) -> Result<Arc<Catalogue>, StoreError> {
        let load = self.load(store);
        match store_version {
            Some(store_version) => self
                .by_version
                .try_get_with(store_version, load)
                .await
                .map_err(|error: Arc<StoreError>| (*error).clone()),
            None => load.await,
        }
    }

    /// Reads the definitions from the store even if the store version is unchanged, because the store version may lag behind a change.
    pub async fn refresh(
        &self,
        store_version: Option<u64>,
        store: &dyn Store,
    ) -> Result<Arc<Catalogue>, StoreError> {
        let catalogue = self.load(store).await?;
        if let Some(store_version) = store_version {
            self.by_version.insert(store_version, Arc::clone(&catalogue)).await;
        }
        Ok(catalogue)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        database::RetryPolicy,
        store::{self, StoreOptions},
    };

    fn store_at(url: &str) -> Arc<dyn Store> {
        let options = StoreOptions {
            tenant: "default".to_owned(),
            schema: store::DEFAULT_SCHEMA.to_owned(),
            retry: RetryPolicy { retries: 0, initial_delay: Duration::ZERO },
            statement_timeout: None,
        };
        store::open(&url.parse().unwrap(), options)
    }

    #[tokio::test]
    async fn the_catalogue_is_read_again_after_a_change_only() {
        let directory = tempfile::tempdir().unwrap();
        let store = store_at(&format!("sqlite:{}", directory.path().join("store.db").display()));
        store.migrate().await.unwrap();
        let cache = CatalogueCache::new(Arc::default());
        let get = async |store_version| cache.get(store_version, store.as_ref()).await.unwrap();
        let first = get(Some(1)).await;
        assert!(Arc::ptr_eq(&first, &get(Some(1)).await));
        assert!(!Arc::ptr_eq(&first, &get(None).await));
        let second = get(Some(2)).await;
        assert!(!Arc::ptr_eq(&first, &second));
        let refreshed = cache.refresh(Some(2), store.as_ref()).await.unwrap();
        assert!(Arc::ptr_eq(&refreshed, &get(Some(2)).await) && !Arc::ptr_eq(&refreshed, &second));
    }

    /// However often it was used before.
    #[tokio::test]
    async fn the_catalogue_of_an_earlier_version_is_replaced_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let store = store_at(&format!("sqlite:{}", directory.path().join("store.db").display()));
        store.migrate().await.unwrap();
        let cache = CatalogueCache::new(Arc::default());
        for _ in 0..100 {
            cache.get(Some(1), store.as_ref()).await.unwrap();
            cache.by_version.run_pending_tasks().await;
        }
        let second = cache.get(Some(2), store.as_ref()).await.unwrap();
        for _ in 0..10 {
            cache.by_version.run_pending_tasks().await;
            assert!(Arc::ptr_eq(&second, &cache.get(Some(2), store.as_ref()).await.unwrap()));
        }
    }

    #[tokio::test]
    async fn a_failure_is_not_cached() {
        let (store, cache) =
            (store_at("postgres://postgres@127.0.0.1:1/nowhere"), CatalogueCache::new(Arc::default()));
        for _ in 0..2 {
            cache.get(Some(1), store.as_ref()).await.unwrap_err();
        }
        assert!(cache.by_version.get(&1).await.is_none());
    }
}
