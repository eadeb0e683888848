//! The authenticated or anonymous party behind a request or a command.

use std::sync::Arc;

use super::{Role, Scope, Scopes};

/// The party on whose behalf a request or a run acts. It is cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The name under which requests are counted: `key:<id>`, `user:<sub>`, `<role>@<address>` for tokens without a
    /// subject, or `address:<address>` for anonymous requests. An IPv6 address is replaced by its /64 network, which
    /// usually belongs to one customer.
    pub subject: Arc<str>,
    pub role: Role,
    pub scopes: Scopes,
}

impl Principal {
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(scope)
    }
}
