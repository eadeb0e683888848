//! Identities: roles, scopes, principals, API keys and their format. This module uses no SQL driver and no HTTP.

mod api_key;
pub mod key_format;
mod principal;
mod role;
mod scope;
mod secret;

pub use api_key::{ApiKey, KeyHash};
pub use principal::Principal;
pub use role::Role;
pub use scope::{Scope, Scopes};
pub use secret::Secret;
