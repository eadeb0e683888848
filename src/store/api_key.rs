//! API keys as the store holds them, and what their holders may do.

use std::fmt;

use jiff::Timestamp;
use uuid::Uuid;

/// Who somebody is, as far as that decides what they may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Nobody in particular.
    Anonymous,
    /// May read records and definitions.
    Reader,
    /// A person who may do everything.
    Admin,
    /// A program that may do everything.
    Service,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Anonymous, Self::Reader, Self::Admin, Self::Service];

    pub fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Reader => "reader",
            Self::Admin => "admin",
            Self::Service => "service",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// All that the role may be allowed. Nothing for anonymous users: whether they may read is a setting.
    pub fn scopes(self) -> Scopes {
        match self {
            Self::Anonymous => Scopes::NONE,
            Self::Reader => Scopes::of(&[Scope::Read]),
            Self::Admin | Self::Service => Scopes::of(&Scope::ALL),
        }
    }
}

/// A sort of thing that is allowed or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Read records and definitions.
    Read,
    /// Read the collection log.
    Log,
    /// Start collections and backfills.
    Collect,
    /// Change definitions.
    Define,
}

impl Scope {
    pub const ALL: [Self; 4] = [Self::Read, Self::Log, Self::Collect, Self::Define];

    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Log => "log",
            Self::Collect => "collect",
            Self::Define => "define",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of [`Scope`]s.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Scopes(u8);

impl Scopes {
    pub const NONE: Self = Self(0);

    pub fn of(scopes: &[Scope]) -> Self {
        Self(scopes.iter().fold(0, |bits, scope| bits | scope.bit()))
    }

    pub fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// The scopes that are in both.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.contains(*scope))
    }

    /// Their names, in the order of [`Scope::ALL`].
    pub fn names(self) -> Vec<&'static str> {
        self.iter().map(Scope::name).collect()
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.iter()).finish()
    }
}

/// The SHA-256 of the secret part of a key. Not shown, though it is of no use to a thief: the secret is 256 random bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyHash(pub [u8; 32]);

impl fmt::Debug for KeyHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("…")
    }
}

/// An API key, without the secret, which nobody has but its holder.
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
