//! Finds the days on which a metric cannot be read, by bisection. One unreadable value (a NaN, a division by zero in a
//! view) fails the statement of a whole range, so the range is halved repeatedly until the days without such a value
//! are read.

use std::{cmp::Reverse, collections::BinaryHeap};

use jiff::civil::Date;

use crate::{
    collect::{
        batch::{Answers, Batch},
        lost_sessions::LostSessions,
    },
    database::{Deadline, Fault},
    metric::{DayBounds, Tally},
    platform::{Cut, Schema},
};

/// The most readings of one metric. Finding k bad days among n takes about 2k·(log₂(n/k) + 1) readings: 33 of 365 take
/// 300.
const MAX_READINGS: usize = 512;

/// An interval of the range and the answers for it.
pub(super) type Piece = (Vec<DayBounds>, Answers<Vec<Tally>>);

/// Reads a metric that failed over all of `days` in shorter intervals. `alone` is a batch of this metric only.
/// `missing` are those of the days that lack a record of it, ascending. Only intervals of missing days are read, so a
/// single day that an earlier run found unreadable is not halved again. The longest interval is read first: when
/// [`MAX_READINGS`] is reached, the next run begins with the long intervals that are left.
///
/// # Errors
/// When the cut is lost.
pub(super) async fn bisect(
    cut: &mut dyn Cut,
    schema: &Schema,
    alone: &Batch,
    days: &[DayBounds],
    missing: &[Date],
    deadline: Deadline,
    lost_sessions: &LostSessions,
) -> Result<Vec<Piece>, Fault> {
    let mut pieces = Vec::new();
    // Ordered by length; among equal lengths, the earliest interval comes first.
    let mut unread: BinaryHeap<(usize, Reverse<usize>)> = intervals(days, missing);
    let mut readings = 0;
    while let Some((length, Reverse(start))) = unread.pop() {
        let piece = &days[start..start + length];
        let answers = alone.read(cut, schema, piece, lost_sessions).await?;
        readings += 1;
        let of_data = answers.iter().any(|answer| answer.fault().is_some_and(Fault::is_of_data));
        // Every interval in the queue will be read once in any case.
        let may_halve = readings + unread.len() + 2 <= MAX_READINGS && !deadline.is_over();
        if of_data && length > 1 && may_halve {
            let half = length / 2;
            unread.extend([(half, Reverse(start)), (length - half, Reverse(start + half))]);
        } else {
            pieces.push((piece.to_vec(), answers));
        }
    }
    Ok(pieces)
}

/// Returns the intervals of consecutive `days` that are `missing`, each as its length and the index of its first day.
/// Both arguments ascend.
fn intervals(days: &[DayBounds], missing: &[Date]) -> BinaryHeap<(usize, Reverse<usize>)> {
    let is_missing = |day: &DayBounds| missing.binary_search(&day.date).is_ok();
    let mut start = 0;
    let runs = days.chunk_by(|one, next| is_missing(one) == is_missing(next));
    let placed = runs.map(|run| {
        start += run.len();
        (run, start - run.len())
    });
    placed.filter(|(run, _)| is_missing(&run[0])).map(|(run, start)| (run.len(), Reverse(start))).collect()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::metric::Calendar;

    #[test]
    fn only_missing_days_are_read_again() {
        let days = Calendar::utc().days(date(2025, 1, 1), date(2025, 1, 9));
        let missing = [2, 5, 6, 7].map(|day| date(2025, 1, day));
        let longest_first = intervals(&days, &missing).into_sorted_vec();
        assert_eq!(longest_first, [(1, Reverse(1)), (3, Reverse(4))]);
        assert!(intervals(&days, &[]).is_empty());
    }
}
