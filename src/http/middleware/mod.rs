//! What surrounds the handlers, from the outside in: [`request_limits`] with the request's id, [`authenticate`],
//! [`rate_limit`]. [`scopes`] is what handlers ask for.

pub mod authenticate;
pub mod client_address;
pub mod rate_limit;
pub mod request_id;
pub mod request_limits;
pub mod scopes;
