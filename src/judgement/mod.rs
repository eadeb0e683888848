//! Judgements: whether a recorded value is what the metric's own history leads one to expect. A pure computation: it takes
//! the recorded days of a metric and returns a verdict, the band that was expected, and the days that it was judged by.
//!
//! A value is compared with the same days of the week in the eight weeks before it:
//!
//! 1. Its *expected value* is the weighted median of the same weekdays. A week counts more the more recent it is (8 down to
//!    1), and a reconstructed day counts half, because the rows that were deleted meanwhile are missing from it.
//! 2. The residual of a day of these weeks is its difference from the weighted median of the *other* same weekdays, as in
//!    leave-one-out cross-validation (Stone 1974), so that it is made exactly as that of the judged day. Residuals of counts are
//!    relative to that median, because busy weekdays vary more than quiet ones.
//! 3. The *deviation* is estimated from the residuals of all weekdays, which are many, and from those of the same weekday, which
//!    may vary more; the larger one is used. It is at least what chance does: of a count, the square root of the expected
//!    value, which is the standard deviation of a Poisson variable; of an average or a percentage, the standard error of its
//!    sample.
//! 4. Two rules give a band, and a value is an anomaly if it is outside both. The first is the modified z-score of Iglewicz
//!    and Hoaglin ("How to Detect and Handle Outliers", 1993): 3.5 times the median absolute deviation (MAD), scaled by 1.4826
//!    to the standard deviation of a normal distribution (Hampel 1974), or the mean absolute deviation, scaled by 1.2533, where
//!    the MAD is 0. The second is three standard deviations around the mean, of the residuals that the first rule does not
//!    call outliers. So an outlier of the past widens no band, and the few days of a short history do not make narrow ones. Of
//!    normally distributed values, fewer than one in 400 is outside both bands, and one in 200 where the history has only four weeks.
//!
//! A stock, such as a total of rows, is judged by its change since the day before. A recorded zero is always an anomaly if none of
//! the days in these weeks has one, as is a day without rows to take an average or a percentage of. The judged day
//! is never among the days that it is judged by.
//!
//! **Architecture Invariant:** the computation uses floats; a judgement is derived, and never becomes part of a record.

mod baseline;
mod judge;
mod profile;
mod robust;
#[cfg(test)]
mod tests;
mod verdict;

pub use judge::{JudgedSeries, RecordedValue};
pub use profile::{Profile, standard_error};
pub use verdict::{Baseline, JUDGE_VERSION, Judgement, Reason, Verdict};
