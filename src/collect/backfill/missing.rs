//! Finds the records that a range of days lacks, and the groups of metrics to be read for them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use crate::{
    metric::DayBounds,
    store::{RecordedDays, StoredDefinition},
};

/// A metric and the days of the range that it lacks.
#[derive(Debug)]
pub(super) struct Missing {
    pub metric: StoredDefinition,
    /// The missing days, ascending.
    pub days: Vec<Date>,
    /// The number of days of the range that are recorded already.
    pub already_there: usize,
}

/// Metrics whose missing days span the same range, which are read together in one pass over their sources. An
/// interrupted backfill leaves the same days missing for every metric, so that the next one reads only those.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub first: Date,
    pub last: Date,
    /// Indexes into the list of missing records.
    pub members: Vec<usize>,
}

pub(super) fn find(
    metrics: Vec<StoredDefinition>,
    days: &[DayBounds],
    recorded: &RecordedDays,
) -> Vec<Missing> {
    let none = BTreeSet::new();
    let of_metric = |metric: StoredDefinition| {
        let recorded_days = recorded.get(&metric.definition.key()).unwrap_or(&none);
        let missing: Vec<_> =
            days.iter().map(|day| day.date).filter(|date| !recorded_days.contains(date)).collect();
        Missing { metric, already_there: days.len() - missing.len(), days: missing }
    };
    metrics.into_iter().map(of_metric).collect()
}

pub(super) fn group(missing: &[Missing]) -> Vec<Group> {
    let mut groups: BTreeMap<(Date, Date), Vec<usize>> = BTreeMap::new();
    for (index, missing) in missing.iter().enumerate() {
        if let (Some(first), Some(last)) = (missing.days.first(), missing.days.last()) {
            groups.entry((*first, *last)).or_default().push(index);
        }
    }
    groups.into_iter().map(|((first, last), members)| Group { first, last, members }).collect()
}

/// Returns every day that at least one metric lacks, ascending.
pub(super) fn days(missing: &[Missing]) -> Vec<Date> {
    let days: BTreeSet<_> = missing.iter().flat_map(|missing| missing.days.iter().copied()).collect();
    days.into_iter().collect()
}

impl Missing {
    /// The missing days from `first` to `last`.
    pub fn between(&self, first: Date, last: Date) -> &[Date] {
        let start = self.days.partition_point(|day| *day < first);
        let end = self.days.partition_point(|day| *day <= last);
        &self.days[start..end]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use jiff::civil::date;

    use super::*;
    use crate::{collect::sample, metric::Calendar};

    fn january(day: i8) -> Date {
        date(2025, 1, day)
    }

    #[test]
    fn a_resumed_run_reads_only_the_missing_days() {
        let metrics = vec![sample::created("a"), sample::created("b"), sample::created("new")];
        let days = Calendar::utc().days(january(1), january(9));
        let first_half: BTreeSet<_> = (1..=4).map(january).collect();
        let recorded: RecordedDays = HashMap::from([
            (metrics[0].definition.key(), first_half.clone()),
            (metrics[1].definition.key(), first_half),
        ]);
        let missing = find(metrics, &days, &recorded);
        assert_eq!(missing[0].already_there, 4);
        assert_eq!(
            group(&missing),
            [
                Group { first: january(1), last: january(9), members: vec![2] },
                Group { first: january(5), last: january(9), members: vec![0, 1] },
            ]
        );
        assert_eq!(super::days(&missing).len(), 9);
        assert_eq!(missing[0].between(january(3), january(6)), [january(5), january(6)]);
    }

    #[test]
    fn a_complete_metric_is_in_no_group_and_a_skipped_date_is_never_missing() {
        let calendar = Calendar::new("Pacific/Apia").unwrap();
        let days = calendar.days(date(2011, 12, 29), date(2011, 12, 31));
        let missing = find(vec![sample::created("a")], &days, &RecordedDays::new());
        assert_eq!(missing[0].days, [date(2011, 12, 29), date(2011, 12, 31)]);
        let recorded =
            HashMap::from([(missing[0].metric.definition.key(), missing[0].days.iter().copied().collect())]);
        let complete = find(vec![sample::created("a")], &days, &recorded);
        assert_eq!((complete[0].already_there, group(&complete)), (2, vec![]));
    }
}
