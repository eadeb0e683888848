//! Creates and revokes API keys.

use jiff::Timestamp;
use uuid::Uuid;

use super::{ApiKey, Role, Scopes};
use crate::{
    identity::Secret,
    store::{Store, StoreError},
};

/// The longest name of an author that the store accepts.
const MAX_AUTHOR_CHARS: usize = 200;

/// The attributes of a key to create.
#[derive(Debug, Clone)]
pub struct KeyRequest {
    pub name: String,
    pub role: Role,
    /// `None` stands for all scopes of the role.
    pub scopes: Option<Scopes>,
    pub expires_at: Option<Timestamp>,
    /// Who makes it: `cli:<system user>` or the subject of a principal, of which 200 characters are kept.
    pub created_by: String,
}

/// A new key and its text, which is not stored and cannot be shown again.
#[derive(Debug, Clone)]
pub struct CreatedKey {
    pub key: ApiKey,
    pub text: Secret,
}

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("a key's name must have 1 to 100 printable characters, and no space at the start or the end")]
    Name,
    #[error("a key cannot have the role anonymous: choose the role reader, admin or service")]
    Anonymous,
    #[error("a key must have a scope")]
    NoScope,
    #[error(
        "the role {} does not include the scope {scope}: leave that scope out, or choose the role admin",
        role.name()
    )]
    BeyondRole { role: Role, scope: &'static str },
    #[error("the key's expiry {0} is in the past: choose a later time")]
    ExpiresInThePast(Timestamp),
    #[error("there is a key named `{0}` already: choose another name, or revoke that key first")]
    NameIsTaken(String),
    #[error("there is no key with the id or name `{0}`; `daymark keys list` lists all keys")]
    Unknown(String),
    #[error("the key `{name}` was already revoked at {at}")]
    Revoked { name: String, at: Timestamp },
    #[error("the operating system cannot provide random bytes: {0}")]
    Random(getrandom::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Creates a key.
///
/// # Errors
/// When the name, role, scopes or expiry are not valid, or another active key has the same name.
pub async fn create_key(
    store: &dyn Store,
    now: Timestamp,
    request: KeyRequest,
) -> Result<CreatedKey, KeyError> {
    let KeyRequest { name, role, scopes, expires_at, created_by } = request;
    if !ApiKey::is_name(&name) {
        return Err(KeyError::Name);
    }
    let scopes = scopes.unwrap_or(role.scopes());
    check_scopes(role, scopes)?;
    if let Some(past) = expires_at.filter(|expires_at| *expires_at <= now) {
        return Err(KeyError::ExpiresInThePast(past));
    }
    let id = Uuid::new_v4();
    let (text, hash) = crate::identity::key_format::generate(id).map_err(KeyError::Random)?;
    let key = ApiKey {
        id,
        name,
        role,
        scopes,
        hash,
        created_at: now,
        created_by: author(&created_by),
        expires_at,
        revoked_at: None,
        revoked_by: None,
        last_used_at: None,
    };
    match store.add_api_key(&key).await? {
        true => Ok(CreatedKey { key, text }),
        false => Err(KeyError::NameIsTaken(key.name)),
    }
}

fn check_scopes(role: Role, scopes: Scopes) -> Result<(), KeyError> {
    if role == Role::Anonymous {
        return Err(KeyError::Anonymous);
    }
    if let Some(beyond) = scopes.iter().find(|scope| !role.scopes().contains(*scope)) {
        return Err(KeyError::BeyondRole { role, scope: beyond.name() });
    }
    if scopes == Scopes::NONE { Err(KeyError::NoScope) } else { Ok(()) }
}

/// Revokes the key with this id, or the active key with this name. Returns the revoked key.
///
/// # Errors
/// When there is no such key, or it was already revoked.
pub async fn revoke_key(
    store: &dyn Store,
    now: Timestamp,
    id_or_name: &str,
    by: &str,
) -> Result<ApiKey, KeyError> {
    let keys = store.api_keys().await?;
    let id = Uuid::try_parse(id_or_name).ok();
    let matches = |key: &&ApiKey| Some(key.id) == id || key.name == id_or_name;
    let mut matching: Vec<_> = keys.iter().filter(matches).collect();
    // The active key is sorted last: at most one key with the name is active.
    matching.sort_by_key(|key| (key.revoked_at.is_none(), key.revoked_at));
    let key = matching.pop().ok_or_else(|| KeyError::Unknown(id_or_name.to_owned()))?;
    if let Some(at) = key.revoked_at {
        return Err(KeyError::Revoked { name: key.name.clone(), at });
    }
    let by = author(by);
    store.revoke_api_key(key.id, now, &by).await?;
    Ok(ApiKey { revoked_at: Some(now), revoked_by: Some(by), ..key.clone() })
}

/// The name of an author as the store accepts it.
fn author(name: &str) -> String {
    name.chars().take(MAX_AUTHOR_CHARS).collect()
}
