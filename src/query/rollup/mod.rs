//! How the records of several days become one value. What a metric's values mean decides it, by the version of the
//! definition that made each record.

mod accumulator;
mod average;
mod breakdown;
mod percentage;
mod roll_up;
mod rolled;
#[cfg(test)]
mod tests;

pub use self::roll_up::RollUp;
pub(super) use self::{accumulator::Accumulator, roll_up::never_reason};
