//! Definitions as code: applying those of the file, defining one through the API, and checking everything that a
//! collection depends on.

mod apply;
mod check;
mod define;
mod flags;
mod visibility;

pub use apply::{AppliedChange, ApplyReport, FieldChange, ZoneChange, apply, diff, made_through_api};
pub use check::{CheckReport, CheckScope, check};
pub use define::{DefineError, Defined, define, switch_off};
pub use flags::unfiltered_flags;
