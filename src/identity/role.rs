//! Roles: the kinds of principals, and the most scopes that each may have.

use super::{Scope, Scopes};

/// The kind of a principal, which bounds its scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// A request without credentials.
    Anonymous,
    /// May read records and definitions.
    Reader,
    /// A person with all scopes.
    Admin,
    /// A program with all scopes but `correct`: a person answers for a correction.
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

    /// The most scopes that the role may have. Anonymous users have none by role; a setting decides whether they may
    /// read.
    pub fn scopes(self) -> Scopes {
        match self {
            Self::Anonymous => Scopes::NONE,
            Self::Reader => Scopes::of(&[Scope::Read]),
            Self::Admin => Scopes::of(&Scope::ALL),
            Self::Service => Scopes::of(&[Scope::Read, Scope::Log, Scope::Collect, Scope::Define]),
        }
    }
}
