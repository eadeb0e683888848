//! What happens around the handlers, from the outside in.

pub mod authenticate;
pub mod request_id;
pub mod request_limits;
