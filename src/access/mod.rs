//! Who may do what: from the headers of a request, as texts, to a [`Principal`] with a [`Role`] and [`Scope`]s, by JSON
//! Web Token or API key; how often; and what becomes of those who fail too often.
//!
//! **Architecture Invariant:** nothing here knows HTTP.
//! **Architecture Invariant:** no token, key or secret reaches a log, an error or `Debug`.

mod admins;
mod authenticate;
mod backoff;
mod claims;
mod credentials;
mod examine;
mod key_set;
mod key_source;
mod keys;
mod rate_limit;
mod start;
mod tokens;
mod uses;

pub use authenticate::Access;
pub use credentials::{Credentials, Denied};
pub use keys::{CreatedKey, KeyError, KeyRequest, create_key, revoke_key};
pub use rate_limit::{Decision, RateLimit};
pub use start::{Mode, StartError};

pub use crate::identity::{ApiKey, Principal, Role, Scope, Scopes};
