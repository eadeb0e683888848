//! The definitions in memory, read again after every change of the store. Requests that come while they are read wait for
//! the same read.

use std::sync::Arc;

use moka::future::Cache;

use crate::{
    metric::DerivedMetric,
    query::Catalogue,
    store::{Store, StoreError},
};

/// The catalogue by the store's marker. An entry of an earlier marker is never used again.
pub struct CatalogueCache {
    by_marker: Cache<u64, Arc<Catalogue>>,
    /// The derived metrics of the configuration, which do not change while the server runs.
    derived: Arc<[DerivedMetric]>,
}

impl CatalogueCache {
    pub fn new(derived: Arc<[DerivedMetric]>) -> Self {
        Self { by_marker: Cache::new(1), derived }
    }

    async fn load(&self, store: &dyn Store) -> Result<Arc<Catalogue>, StoreError> {
        Ok(Arc::new(Catalogue::load(store).await?.with_derived(&self.derived)))
    }

    /// The definitions. `marker` is the store's marker from before this call; without one nothing is cached.
    pub async fn get(&self, marker: Option<u64>, store: &dyn Store) -> Result<Arc<Catalogue>, StoreError> {
        let load = self.load(store);
        match marker {
            Some(marker) => self
                .by_marker
                .try_get_with(marker, load)
                .await
                .map_err(|error: Arc<StoreError>| (*error).clone()),
            None => load.await,
        }
    }

    /// Reads the definitions from the store even if the marker is unchanged, because the marker may lag behind a change.
    pub async fn refresh(
        &self,
        marker: Option<u64>,
        store: &dyn Store,
    ) -> Result<Arc<Catalogue>, StoreError> {
        let catalogue = self.load(store).await?;
        if let Some(marker) = marker {
            self.by_marker.insert(marker, Arc::clone(&catalogue)).await;
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
        let (store, cache) =
            (store_at("postgres://postgres@127.0.0.1:1/nowhere"), CatalogueCache::new(Arc::default()));
        for _ in 0..2 {
            cache.get(Some(1), store.as_ref()).await.unwrap_err();
        }
        assert!(cache.by_marker.get(&1).await.is_none());
    }
}
