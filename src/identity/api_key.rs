//! API keys as they are stored.

use std::fmt;

use jiff::Timestamp;
use uuid::Uuid;

use super::{Role, Scopes};

/// The SHA-256 of the secret part of a key. `Debug` does not show it, although 256 random bits cannot be recovered from
/// it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyHash(pub [u8; 32]);

impl fmt::Debug for KeyHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("…")
    }
}

/// An API key without its secret, of which only a hash is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    pub id: Uuid,
    /// The name, for which [`ApiKey::is_name`] holds. It is unique among the keys that are not revoked.
    pub name: String,
    /// The role, which is never anonymous.
    pub role: Role,
    /// The scopes: at least one, all of them within [`Role::scopes`].
    pub scopes: Scopes,
    pub hash: KeyHash,
    pub created_at: Timestamp,
    /// Who made it: `cli:<system user>` or the subject of a principal, 1 to 200 characters.
    pub created_by: String,
    /// The first instant at which the key is no longer valid; `None` if it does not expire.
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    pub revoked_by: Option<String>,
    /// The last use that was written; a server writes it every five minutes and when it stops.
    pub last_used_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether `name` is a valid name of a key: 1 to 100 printable characters, without white space at the start or the
    /// end.
    pub fn is_name(name: &str) -> bool {
        (1..=100).contains(&name.chars().count())
            && name.trim() == name
            && !name.chars().any(char::is_control)
    }

    pub fn is_active(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expires_at| now < expires_at)
    }

    /// `active`, `expired` or `revoked`.
    pub fn state(&self, now: Timestamp) -> &'static str {
        match (self.revoked_at, self.is_active(now)) {
            (Some(_), _) => "revoked",
            (None, true) => "active",
            (None, false) => "expired",
        }
    }
}
