//! API keys as the store holds them.

use std::fmt;

use jiff::Timestamp;
use uuid::Uuid;

use super::{Role, Scopes};

/// The SHA-256 of the secret part of a key. Not shown, though it is of no use to a thief: the secret is 256 random bits.
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
    /// Satisfies [`ApiKey::is_name`]. No two keys that are not revoked share one.
    pub name: String,
    /// Never anonymous.
    pub role: Role,
    /// Not empty, and within [`Role::scopes`].
    pub scopes: Scopes,
    pub hash: KeyHash,
    pub created_at: Timestamp,
    /// The first instant at which it is no longer valid.
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// As far as it was written: a server does so every few minutes and when it stops.
    pub last_used_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether `name` may be a key's: 1 to 100 characters, printable, without spaces around them.
    pub fn is_name(name: &str) -> bool {
        (1..=100).contains(&name.chars().count())
            && name.trim() == name
            && !name.chars().any(char::is_control)
    }

    pub fn is_active(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}
