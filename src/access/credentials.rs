//! The credentials of a request, and the reasons for refusing them.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use super::{Principal, Role, Scopes, backoff::network};

/// The principal of a request that is identified by its address only.
pub(super) fn principal_at(address: IpAddr, role: Role, scopes: Scopes) -> Principal {
    let subject = match role {
        Role::Anonymous => address_subject(address),
        // The prefix separates these requests from the anonymous ones of the same address.
        _ => format!("{}@{}", role.name(), network(address)).into(),
    };
    Principal { subject, role, scopes }
}

/// The subject under which the rate limit counts the requests of an address.
pub(super) fn address_subject(address: IpAddr) -> Arc<str> {
    format!("address:{}", network(address)).into()
}

/// The credentials of a request. supabase-js sends both headers: `apikey` with its key, `Authorization`
/// with the same or with a user's token.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// The whole value of the header `Authorization`.
    pub authorization: Option<&'a str>,
    /// The value of the header `apikey`.
    pub api_key: Option<&'a str>,
    /// The client's address, also when the request came through a trusted proxy.
    pub address: IpAddr,
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("authorization", &self.authorization.map(|_| "…"))
            .field("api_key", &self.api_key.map(|_| "…"))
            .field("address", &self.address)
            .finish()
    }
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("no credentials: send `Authorization: Bearer` with a token or an API key")]
    NoCredentials,
    /// The credentials are wrong. The reason never quotes them.
    #[error("{reason}")]
    Unauthenticated { reason: String },
    #[error(
        "authentication failed too often from this address; try again in {} s",
        retry_after.as_secs_f64().ceil()
    )]
    BackOff { retry_after: Duration },
    /// The store or the key set could not be queried. The reason is for the log only, because it names their location.
    #[error("credentials cannot be verified at the moment")]
    Unavailable { reason: String },
}
