//! Breakdowns: rows by the value of a column, and what is aggregated of the rows of each value. The database finds the largest
//! labels of each day and counts the others (`ranked.rs`). Only where that takes too long are all labels read, segment by
//! segment, and the largest selected here (`summed.rs`).

mod answer;
mod ranked;
mod reading;
mod summed;

pub use ranked::tally_of_answer;
pub use reading::LabelReading;
