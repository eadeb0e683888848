//! Runs of days that were recorded in the same way, and the days at which the version of the definition changes. A
//! series has these instead of the provenance of each record, because records are alike for months.

use jiff::civil::Date;

use super::{
    day_range::DayRange,
    response::{ProvenanceRun, Series, VersionChange},
};
use crate::{metric::Provenance, store::RecordedDay};

/// How a day was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordedDate {
    pub date: Date,
    pub provenance: Provenance,
    pub definition_version: i32,
}

impl From<&RecordedDay> for RecordedDate {
    fn from(day: &RecordedDay) -> Self {
        Self { date: day.date, provenance: day.provenance, definition_version: day.definition_version }
    }
}

/// Where the version of the definition changes from one run to the next.
pub(super) fn version_changes(runs: &[ProvenanceRun]) -> Vec<VersionChange> {
    let change = |pair: &[ProvenanceRun]| match pair {
        [before, after] if before.definition_version != after.definition_version => Some(VersionChange {
            date: after.from,
            from_version: before.definition_version,
            to_version: after.definition_version,
        }),
        _ => None,
    };
    runs.windows(2).filter_map(change).collect()
}

/// The days at which a version of any of `inputs` begins, by date.
pub(super) fn version_changes_of(inputs: &[Series], is_inside: impl Fn(Date) -> bool) -> Vec<VersionChange> {
    let all = inputs.iter().flat_map(|input| &input.version_changes).copied();
    let mut changes: Vec<_> = all.filter(|change| is_inside(change.date)).collect();
    changes.sort_by_key(|change| change.date);
    changes.dedup_by_key(|change| change.date);
    changes
}

/// The runs of two parts of a series of which `later` follows on `earlier`.
pub(super) fn joined_runs(mut earlier: Vec<ProvenanceRun>, later: Vec<ProvenanceRun>) -> Vec<ProvenanceRun> {
    let mut later = later.into_iter().peekable();
    if let Some(last) = earlier.last_mut()
        && let Some(first) = later.next_if(|first| {
            last.to.tomorrow().is_ok_and(|next| next == first.from)
                && (last.provenance, last.definition_version) == (first.provenance, first.definition_version)
        })
    {
        last.to = first.to;
        last.days += first.days;
    }
    earlier.extend(later);
    earlier
}

/// `recorded` as runs of the range's days.
pub(super) fn provenance_runs(range: &DayRange, recorded: &[RecordedDate]) -> Vec<ProvenanceRun> {
    let mut runs = Vec::<ProvenanceRun>::new();
    let mut recorded = recorded.iter().peekable();
    let mut before: Option<&RecordedDate> = None;
    for day in &range.days {
        while recorded.next_if(|record| record.date < *day).is_some() {}
        let record = recorded.next_if(|record| record.date == *day);
        match (record, before, runs.last_mut()) {
            (Some(now), Some(before), Some(run)) if is_alike(before, now) => {
                run.to = now.date;
                run.days += 1;
            }
            (Some(now), ..) => runs.push(ProvenanceRun {
                from: now.date,
                to: now.date,
                days: 1,
                provenance: now.provenance.name(),
                definition_version: now.definition_version,
            }),
            (None, ..) => {}
        }
        before = record;
    }
    runs
}

fn is_alike(one: &RecordedDate, other: &RecordedDate) -> bool {
    (one.provenance, one.definition_version) == (other.provenance, other.definition_version)
}

#[cfg(test)]
mod tests {
    use jiff::{ToSpan, civil::date};
    use proptest::prelude::*;
    use strum::VariantArray;

    use super::*;
    use crate::metric::{Calendar, Provenance};

    /// Of the 30 days here one never happened.
    fn range() -> DayRange {
        let calendar = Calendar::new("Pacific/Apia").unwrap();
        DayRange::new(&calendar, date(2011, 12, 15), date(2012, 1, 13), date(2012, 1, 13))
    }

    fn record(index: usize, provenance: Provenance, definition_version: i32) -> RecordedDate {
        RecordedDate { date: range().days[index], provenance, definition_version }
    }

    #[test]
    fn a_skipped_date_does_not_divide_a_run() {
        let days: Vec<_> = (0..29).map(|index| record(index, Provenance::Observed, 1)).collect();
        let expected = ProvenanceRun {
            from: date(2011, 12, 15),
            to: date(2012, 1, 13),
            days: 29,
            provenance: "observed",
            definition_version: 1,
        };
        assert_eq!(provenance_runs(&range(), &days), [expected]);
    }

    proptest! {
        #[test]
        fn every_recorded_day_is_in_exactly_one_run(
            made in prop::collection::vec(prop::option::of((0..3_usize, 1..3_i32)), 29),
        ) {
            let of = |(index, made): (usize, &Option<(usize, i32)>)| {
                made.map(|(provenance, version)| record(index, Provenance::VARIANTS[provenance], version))
            };
            let days: Vec<_> = made.iter().enumerate().filter_map(of).collect();
            let runs = provenance_runs(&range(), &days);
            for day in &days {
                let around: Vec<_> =
                    runs.iter().filter(|run| run.from <= day.date && day.date <= run.to).collect();
                prop_assert_eq!(around.len(), 1);
                prop_assert_eq!(around[0].provenance, day.provenance.name());
                prop_assert_eq!(around[0].definition_version, day.definition_version);
            }
            prop_assert_eq!(runs.iter().map(|run| run.days).sum::<usize>(), days.len());
            for pair in runs.windows(2) {
                let next = range().days.into_iter().find(|day| *day > pair[0].to).unwrap();
                let made = |run: &ProvenanceRun| (run.provenance, run.definition_version);
                prop_assert!(next < pair[1].from || made(&pair[0]) != made(&pair[1]), "no run is cut in two");
                prop_assert!(pair[0].to.saturating_add(1.day()) <= pair[1].from);
            }
        }
    }
}
