//! The middleware around the handlers, from the outermost to the innermost: [`request_limits`] with the request's id, [`authenticate`],
//! [`rate_limit`]. Handlers check scopes with the extractors in [`scopes`].

pub mod authenticate;
pub mod client_address;
pub mod rate_limit;
pub mod request_id;
pub mod request_limits;
pub mod scopes;
pub mod session_cookie;
