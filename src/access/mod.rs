//! Authentication by JSON Web Token or API key, from the texts of two headers to a [`Principal`] with a [`Role`] and
//! [`Scope`]s; rate limits; and backoff for addresses that fail too often.
//!
//! **Architecture Invariant:** nothing here knows HTTP.
//! **Architecture Invariant:** no token, key or secret reaches a log, an error or `Debug`.

mod admins;
mod authenticate;
mod backoff;
mod claims;
mod credential_cache;
mod credential_verifier;
mod credentials;
mod key_set;
mod key_source;
mod key_usage;
mod keys;
mod mode;
mod rate_limit;
mod session;
mod session_ends;
mod start;
mod tokens;
mod verify_error;

pub use authenticate::Access;
pub use credentials::{Credentials, Denied};
pub use keys::{CreatedKey, KeyError, KeyRequest, create_key, revoke_key};
pub use mode::Mode;
pub use rate_limit::{Decision, RateLimit};
pub use session::{OpenedSession, SESSION_LIFETIME};
pub use start::StartError;

pub use crate::identity::{ApiKey, Principal, Role, Scope, Scopes};
