//! Finds the gaps that no run can fill any more, because the platform has deleted its old rows.

use jiff::civil::Date;

use super::gap::{Gap, GapCause};
use crate::metric::Calendar;

/// Gives the days of `gaps` before the platform's first row a cause of their own, unless they are being recorded.
/// `observable_from` is the first day that can still be observed, which has a value even if the platform has no rows.
pub fn with_before_first_row(
    gaps: Vec<Gap>,
    calendar: &Calendar,
    first_row: Option<Date>,
    observable_from: Date,
) -> Vec<Gap> {
    let Some(first_row) = first_row else { return gaps };
    let begin = first_row.min(observable_from);
    let split = |gap: Gap| {
        let is_being_recorded = matches!(gap.cause, GapCause::Running { .. });
        if gap.first >= begin || is_being_recorded || !gap.cause.can_be_recorded() {
            return [Some(gap), None];
        }
        let part = |first: Date, last: Date, cause| {
            let days = calendar.days(first, last).len();
            (days > 0).then(|| Gap { key: gap.key.clone(), first, last, days, cause })
        };
        let cause = GapCause::BeforeFirstRow { first_row };
        let last_before = begin.yesterday().unwrap_or(begin).min(gap.last);
        [part(gap.first, last_before, cause), part(begin, gap.last, gap.cause.clone())]
    };
    gaps.into_iter().flat_map(split).flatten().collect()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::collect::sample;

    fn january(day: i8) -> Date {
        date(2025, 1, day)
    }

    fn gap(first: i8, last: i8, cause: GapCause) -> Gap {
        let days = usize::try_from(last - first + 1).unwrap();
        let key = sample::created("a").definition.key();
        Gap { key, first: january(first), last: january(last), days, cause }
    }

    fn shown(gaps: Vec<Gap>, first_row: Option<Date>, observable_from: Date) -> Vec<String> {
        let gaps = with_before_first_row(gaps, &Calendar::utc(), first_row, observable_from);
        let one = |gap: &Gap| {
            format!("{}..{} ({}) {}", gap.first.day(), gap.last.day(), gap.days, gap.cause.name())
        };
        gaps.iter().map(one).collect()
    }

    #[test]
    fn a_gap_is_split_at_the_first_row() {
        let never = |first, last| vec![gap(first, last, GapCause::NeverCollected)];
        let first_row = Some(january(5));
        assert_eq!(shown(never(2, 8), None, january(9)), ["2..8 (7) never_collected"]);
        assert_eq!(
            shown(never(2, 8), first_row, january(9)),
            ["2..4 (3) before_first_row", "5..8 (4) never_collected"]
        );
        assert_eq!(shown(never(2, 4), first_row, january(9)), ["2..4 (3) before_first_row"]);
        assert_eq!(shown(never(5, 8), first_row, january(9)), ["5..8 (4) never_collected"]);
        assert_eq!(
            shown(never(2, 4), first_row, january(4)),
            ["2..3 (2) before_first_row", "4..4 (1) never_collected"]
        );
        let others = vec![gap(1, 2, GapCause::NotReconstructible), gap(3, 3, GapCause::UnreadableRecord)];
        assert_eq!(
            shown(others, first_row, january(9)),
            ["1..2 (2) not_reconstructible", "3..3 (1) unreadable_record"]
        );
    }
}
