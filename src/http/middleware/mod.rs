//! What happens around the handlers, from the outside in.

pub mod admit;
pub mod guard;
pub mod identify;
