//! Keys to Daymark's own API.

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use crate::{identity::ApiKey, store::StoreError};

#[async_trait]
pub trait Keys: Send + Sync {
    /// Every API key, revoked ones included, oldest first.
    async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError>;

    /// The tenant and the name of each API key that is valid at this time: of all tenants of the store, for the operator who has restored
    /// it. It is not for answers to a tenant's clients.
    async fn active_keys_of_all_tenants(&self, now: Timestamp) -> Result<Vec<(String, String)>, StoreError>;

    /// Whether there is any API key, also one that is revoked or cannot be read.
    async fn has_api_keys(&self) -> Result<bool, StoreError>;

    /// The API key, if this tenant has it.
    async fn api_key(&self, id: Uuid) -> Result<Option<ApiKey>, StoreError>;

    /// Adds a key. `false`, and nothing is added, when a key that is not revoked has its name already.
    async fn add_api_key(&self, key: &ApiKey) -> Result<bool, StoreError>;

    /// Revokes a key; one that is revoked already keeps the time and the author of its revocation. `false` when there is no such key.
    async fn revoke_api_key(&self, id: Uuid, at: Timestamp, by: &str) -> Result<bool, StoreError>;

    /// Notes when keys were used, each named once; of several times the latest is kept. Unknown ids are ignored.
    async fn touch_api_keys(&self, uses: &[(Uuid, Timestamp)]) -> Result<(), StoreError>;
}
