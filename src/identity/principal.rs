//! The authenticated (or anonymous) party behind a request or a command.

use std::sync::Arc;

use super::{Role, Scope, Scopes};

/// The party that a request or a run acts for. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// What requests are counted by: `key:<id>`, `user:<sub>`, `<role>@<address>` for tokens without a
    /// subject, or `address:<address>` for anonymous requests (of IPv6 the /64 network, which is one customer's).
    pub subject: Arc<str>,
    pub role: Role,
    pub scopes: Scopes,
}

impl Principal {
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(scope)
    }
}
