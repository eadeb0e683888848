//! Decides whether the server may start: with authentication on any address, without it only on a loopback address.

use std::{net::SocketAddr, sync::Arc};

use super::{Access, Mode};
use crate::{
    clock::Clock,
    config::AccessSettings,
    database::DatabaseUrl,
    platform::Platform,
    store::{Store, StoreError},
};

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(
        "the server does not start without authentication: {because}, and no credentials are set up; create an API key with \
         `daymark keys create`, or set access.jwt_secret or access.jwks"
    )]
    NoAuthentication { because: String },
    #[error(
        "access.jwks: no key can be read from {file}: {because}; give the file or the https:// URL of a JSON Web Key Set with a public key"
    )]
    KeySet { file: String, because: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Access {
    /// Creates the access control of a server on `listen` with the store at `store_url`.
    ///
    /// # Errors
    /// [`StartError::NoAuthentication`] when there is no secret, no key set and no active API key, unless the server is
    /// on a loopback address, the store is on SQLite, and there never was an API key. [`StartError::KeySet`] when the
    /// key set is a file that cannot be read; for a URL, which may answer later, a warning is logged.
    pub async fn start(
        settings: AccessSettings,
        listen: SocketAddr,
        store_url: &DatabaseUrl,
        store: Arc<dyn Store>,
        platform: Arc<dyn Platform>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let (now, keys) = (clock.now(), store.api_keys().await?);
        let can_authenticate = settings.jwt_secret.is_some()
            || settings.jwks.is_some()
            || keys.iter().any(|key| key.is_active(now));
        let mode = match (can_authenticate, store_url) {
            (true, _) => Mode::Required,
            (false, _) if !listen.ip().to_canonical().is_loopback() => {
                let because = format!("{listen} is not a loopback address");
                return Err(StartError::NoAuthentication { because });
            }
            (false, DatabaseUrl::Postgres { .. }) => {
                let because = "the store is on PostgreSQL".to_owned();
                return Err(StartError::NoAuthentication { because });
            }
            // A server that once required keys must not become open because they have expired.
            (false, DatabaseUrl::Sqlite(_)) if !keys.is_empty() => {
                let because = "every API key was revoked or has expired".to_owned();
                return Err(StartError::NoAuthentication { because });
            }
            (false, DatabaseUrl::Sqlite(_)) => Mode::Open,
        };
        let access = Self::new(settings, store, platform, clock).in_mode(mode);
        access.read_keys().await.map_err(|(file, because)| StartError::KeySet { file, because })?;
        access.prepare_admins().await;
        Ok(access)
    }
}
