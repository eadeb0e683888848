//! Roles: the kinds of principals, and the most scopes that each may have.

use strum::{EnumIter, EnumString, IntoStaticStr};

use super::{Scope, Scopes};

/// The kind of a principal, which bounds its scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumIter, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
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
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The most scopes that the role may have. Anonymous users have none by role; a setting decides whether they may
    /// read.
    pub fn scopes(self) -> Scopes {
        match self {
            Self::Anonymous => Scopes::NONE,
            Self::Reader => Scopes::of(&[Scope::Read]),
            Self::Admin => Scopes::ALL,
            Self::Service => Scopes::of(&[Scope::Read, Scope::Log, Scope::Collect, Scope::Define]),
        }
    }
}
