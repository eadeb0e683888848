//! The definitions in memory, read again whenever something may have changed.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    query::Catalogue,
    store::{Store, StoreError},
};

#[derive(Default)]
pub struct KeptCatalogue(Mutex<Option<(u64, Arc<Catalogue>)>>);

impl KeptCatalogue {
    /// `marker` is what the store's watch says now; without it nothing is kept.
    pub async fn get(&self, marker: Option<u64>, store: &dyn Store) -> Result<Arc<Catalogue>, StoreError> {
        if let Some((kept_at, catalogue)) = self.lock().as_ref()
            && marker == Some(*kept_at)
        {
            return Ok(Arc::clone(catalogue));
        }
        let catalogue = Arc::new(Catalogue::load(store).await?);
        if let Some(marker) = marker {
            *self.lock() = Some((marker, Arc::clone(&catalogue)));
        }
        Ok(catalogue)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(u64, Arc<Catalogue>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
