//! The credentials of a request, and why they may be refused.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use super::{Principal, Role, Scopes, backoff::network};

/// The principal of which only the address is known.
pub(super) fn principal_at(address: IpAddr, role: Role, scopes: Scopes) -> Principal {
    let subject = match role {
        Role::Anonymous => address_subject(address),
        // Apart from the count of anonymous requests from the same address.
        _ => format!("{}@{}", role.name(), network(address)).into(),
    };
    Principal { subject, role, scopes }
}

/// The subject by which requests of an address are counted.
pub(super) fn address_subject(address: IpAddr) -> Arc<str> {
    format!("address:{}", network(address)).into()
}

/// The credentials of a request. supabase-js sends both headers: `apikey` with its key, `Authorization`
/// with the same or with a user's token.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// The header `Authorization`, whole.
    pub authorization: Option<&'a str>,
    /// The header `apikey`.
    pub api_key: Option<&'a str>,
    /// The client's, also behind a proxy.
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
    /// Wrong credentials. The reason repeats nothing of them.
    #[error("{reason}")]
    Unauthenticated { reason: String },
    #[error(
        "authentication failed too often from this address; try again in {} s",
        retry_after.as_secs_f64().ceil()
    )]
    BackOff { retry_after: Duration },
    /// The store or the key set could not be asked. The reason is for the log: it says where they are.
    #[error("credentials cannot be checked at the moment")]
    Unavailable { reason: String },
}
