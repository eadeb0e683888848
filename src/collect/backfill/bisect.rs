//! Finding the days of which a metric cannot be read. One unreadable value (a NaN, a division by zero in a view) fails
//! the statement of a whole range; the range is cut in two, and again, until the days without such a value are read.

use std::collections::VecDeque;

use crate::{
    collect::batch::{Answers, Batch},
    database::Fault,
    metric::{DayBounds, Tally},
    platform::{Cut, Schema},
};

/// How often a range is cut in two, so that at most twice as many pieces are read.
const MAX_CUTS: usize = 32;
/// After this number of failed pieces without a success the failure does not depend on single days.
const HOPELESS_PIECES: usize = 6;

/// A part of the range and what was answered for it.
pub(super) type Piece<'a> = (Vec<DayBounds>, Answers<'a, Vec<Tally>>);

/// Reads `alone`, a batch of one metric, which failed over all of `days`, in pieces. The pieces cover `days`.
///
/// # Errors
/// When the cut is lost.
pub(super) async fn bisect<'a>(
    cut: &mut dyn Cut,
    schema: &Schema,
    alone: &'a Batch,
    days: &[DayBounds],
) -> Result<Vec<Piece<'a>>, Fault> {
    let mut pieces = Vec::new();
    let mut ranges: VecDeque<_> = halves(days).into();
    let (mut cuts, mut read, mut good) = (1, 0, 0);
    while let Some(range) = ranges.pop_front() {
        let answers = alone.read(cut, schema, range).await?;
        let failed = answers.iter().any(|answer| answer.fault().is_some());
        let of_data = answers.iter().any(|answer| answer.fault().is_some_and(Fault::is_of_data));
        read += 1;
        good += usize::from(!failed);
        let hopeful = good > 0 || read < HOPELESS_PIECES;
        if of_data && range.len() > 1 && cuts < MAX_CUTS && hopeful {
            cuts += 1;
            ranges.extend(halves(range));
        } else {
            pieces.push((range.to_vec(), answers));
        }
    }
    Ok(pieces)
}

fn halves(days: &[DayBounds]) -> [&[DayBounds]; 2] {
    let (earlier, later) = days.split_at(days.len() / 2);
    [earlier, later]
}
