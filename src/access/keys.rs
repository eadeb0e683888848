//! Making and revoking API keys.

use jiff::Timestamp;
use uuid::Uuid;

use super::{ApiKey, Role, Scopes};
use crate::{
    identity::Secret,
    store::{Store, StoreError},
};

/// The key that is wanted.
#[derive(Debug, Clone)]
pub struct KeyRequest {
    pub name: String,
    pub role: Role,
    /// All of the role's, unless given.
    pub scopes: Option<Scopes>,
    pub expires_at: Option<Timestamp>,
}

/// A new key and its text, which nothing will ever tell again.
#[derive(Debug, Clone)]
pub struct CreatedKey {
    pub key: ApiKey,
    pub text: Secret,
}

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(
        "a key's name must have 1 to 100 printable characters and no space at its ends; the one that was given has not"
    )]
    Name,
    #[error("nobody needs a key to be anonymous: choose the role reader, admin or service")]
    Anonymous,
    #[error("a key must have a scope")]
    NoScope,
    #[error("a {} may not {scope}: leave that scope out, or choose the role admin or service", role.name())]
    BeyondRole { role: Role, scope: &'static str },
    #[error("the key would have expired before it exists: {0} is past")]
    ExpiresInThePast(Timestamp),
    #[error("there is a key named `{0}` already: choose another name, or revoke that key first")]
    NameIsTaken(String),
    #[error("there is no key with the id or name `{0}`; `daymark keys list` shows them all")]
    Unknown(String),
    #[error("the key `{name}` was revoked already, at {at}")]
    Revoked { name: String, at: Timestamp },
    #[error("the operating system has no random bytes to give: {0}")]
    Random(getrandom::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Creates a key.
///
/// # Errors
/// When the request makes no sense or the name is another active key's.
pub async fn create_key(
    store: &dyn Store,
    now: Timestamp,
    request: KeyRequest,
) -> Result<CreatedKey, KeyError> {
    let KeyRequest { name, role, scopes, expires_at } = request;
    if !ApiKey::is_name(&name) {
        return Err(KeyError::Name);
    }
    if role == Role::Anonymous {
        return Err(KeyError::Anonymous);
    }
    let scopes = scopes.unwrap_or(role.scopes());
    if let Some(beyond) = scopes.iter().find(|scope| !role.scopes().contains(*scope)) {
        return Err(KeyError::BeyondRole { role, scope: beyond.name() });
    }
    if scopes == Scopes::NONE {
        return Err(KeyError::NoScope);
    }
    if let Some(past) = expires_at.filter(|expires_at| *expires_at <= now) {
        return Err(KeyError::ExpiresInThePast(past));
    }
    let id = Uuid::new_v4();
    let (text, hash) = crate::identity::key_format::generate(id).map_err(KeyError::Random)?;
    let (revoked_at, last_used_at) = (None, None);
    let key = ApiKey { id, name, role, scopes, hash, created_at: now, expires_at, revoked_at, last_used_at };
    match store.add_api_key(&key).await? {
        true => Ok(CreatedKey { key, text }),
        false => Err(KeyError::NameIsTaken(key.name)),
    }
}

/// Revokes the key with this id, or the active one with this name. Returns it as it is then.
///
/// # Errors
/// When there is no such key or it was revoked before.
pub async fn revoke_key(store: &dyn Store, now: Timestamp, id_or_name: &str) -> Result<ApiKey, KeyError> {
    let keys = store.api_keys().await?;
    let id = Uuid::try_parse(id_or_name).ok();
    let is_meant = |key: &&ApiKey| Some(key.id) == id || key.name == id_or_name;
    let mut meant: Vec<_> = keys.iter().filter(is_meant).collect();
    // The active one last: of those with the name there is one at most.
    meant.sort_by_key(|key| (key.revoked_at.is_none(), key.revoked_at));
    let key = meant.pop().ok_or_else(|| KeyError::Unknown(id_or_name.to_owned()))?;
    if let Some(at) = key.revoked_at {
        return Err(KeyError::Revoked { name: key.name.clone(), at });
    }
    store.revoke_api_key(key.id, now).await?;
    Ok(ApiKey { revoked_at: Some(now), ..key.clone() })
}
