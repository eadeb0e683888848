//! The definitions in memory, read again after every change of the store. Requests that come while they are read wait for
//! the same read.

use std::sync::Arc;

use moka::future::Cache;

use crate::{
    query::Catalogue,
    store::{Store, StoreError},
};

/// The catalogue by the store's marker. An entry of an earlier marker is never used again.
pub struct CatalogueCache(Cache<u64, Arc<Catalogue>>);

impl Default for CatalogueCache {
    fn default() -> Self {
        Self(Cache::new(1))
    }
}

impl CatalogueCache {
    /// The definitions. `marker` is the store's marker from before this call; without one nothing is cached.
    pub async fn get(&self, marker: Option<u64>, store: &dyn Store) -> Result<Arc<Catalogue>, StoreError> {
        let load = async { Catalogue::load(store).await.map(Arc::new) };
        match marker {
            Some(marker) => {
                self.0.try_get_with(marker, load).await.map_err(|error: Arc<StoreError>| (*error).clone())
            }
            None => load.await,
        }
    }

    /// Reads the definitions from the store even if the marker is unchanged, because the marker may lag behind a change.
    pub async fn refresh(
        &self,
        marker: Option<u64>,
        store: &dyn Store,
    ) -> Result<Arc<Catalogue>, StoreError> {
        let catalogue = Arc::new(Catalogue::load(store).await?);
        if let Some(marker) = marker {
            self.0.insert(marker, Arc::clone(&catalogue)).await;
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
        let cache = CatalogueCache::default();
        let get = async |marker| cache.get(marker, store.as_ref()).await.unwrap();
        let first = get(Some(1)).await;
        assert!(Arc::ptr_eq(&first, &get(Some(1)).await));
        assert!(!Arc::ptr_eq(&first, &get(None).await));
        let second = get(Some(2)).await;
        assert!(!Arc::ptr_eq(&first, &second));
        let refreshed = cache.refresh(Some(2), store.as_ref()).await.unwrap();
        assert!(Arc::ptr_eq(&refreshed, &get(Some(2)).await) && !Arc::ptr_eq(&refreshed, &second));
    }

    #[tokio::test]
    async fn a_failure_is_not_cached() {
        let (store, cache) = (store_at("postgres://postgres@127.0.0.1:1/nowhere"), CatalogueCache::default());
        for _ in 0..2 {
            cache.get(Some(1), store.as_ref()).await.unwrap_err();
        }
        assert!(cache.0.get(&1).await.is_none());
    }
}
