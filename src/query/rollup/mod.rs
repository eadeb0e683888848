//! Combines the records of several days into one value, according to the kind of the metric in the definition version
//! of each record.

mod accumulator;
mod average;
mod breakdown;
mod extreme;
mod known_labels;
mod label_means;
mod percentage;
mod roll_up;
mod rolled;
#[cfg(test)]
mod tests;

pub use self::roll_up::RollUp;
pub(super) use self::{accumulator::Accumulator, roll_up::never_reason};
