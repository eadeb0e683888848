//! Cohorts on many days: one statement that reads each pair of a day and an actor once.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::group::{CohortActivity, CohortCount, CohortGroup};
use crate::{
    metric::{DayBounds, Decimal, Tally},
    platform::planner::{
        activity::{EdgeRange, union},
        span::Edge,
        time::TimeColumn,
    },
};

impl CohortGroup<'_> {
    /// The edges are those of all calendar days from the first day of any reading on.
    pub(super) fn of_range(&self, activity: &CohortActivity<'_>, edges: &[Edge]) -> String {
        let (Some(first), Some(last)) = (edges.first(), edges.last()) else { return String::new() };
        let range = (Some(*first), *last);
        let inner = &edges[..edges.len() - 1];
        let day = |time: &TimeColumn| format!("{} AS daymark_day, ", time.bucket(inner));
        let mut parts = Vec::new();
        // The actors of a source of cohorts need no others, unless one looks whether they are active.
        if activity.cohort.is_none() || self.kept().next().is_some() {
            parts.push(format!("daymark_pairs AS (\n  {})", union(&activity.active.selects(range, day))));
        }
        parts.push(format!("daymark_cohorts AS (\n  {})", cohorts(activity, range, inner)));
        format!("WITH {}\n{}", parts.join(",\n"), self.counts(activity))
    }

    /// For each reading that looks whether actors are active: from how many to how many days after their cohort.
    fn kept(&self) -> impl Iterator<Item = (i64, i64)> {
        self.wanted.iter().filter_map(|wanted| wanted.active_days())
    }

    /// The counts of each cohort.
    fn counts(&self, activity: &CohortActivity<'_>) -> String {
        let dialect = activity.dialect();
        let mut values = vec!["daymark_first".to_owned(), "count(*)".to_owned()];
        let (Some(from), Some(to)) =
            (self.kept().map(|(from, _)| from).min(), self.kept().map(|(_, to)| to).max())
        else {
            let values = dialect.pack(&values);
            return format!(
                "SELECT {}, {values} FROM daymark_cohorts GROUP BY daymark_first",
                dialect.zero()
            );
        };
        let mut flags = Vec::new();
        for (place, (from, to)) in self.kept().enumerate() {
            flags.push(format!(
                "max(CASE WHEN daymark_day - daymark_first BETWEEN {from} AND {to} THEN 1 ELSE 0 END) AS daymark_kept{place}"
            ));
            values.push(format!("sum(daymark_kept{place})"));
        }
        format!(
            "SELECT {}, {} FROM (\n  \
             SELECT daymark_first, {}\n  \
             FROM daymark_cohorts LEFT JOIN daymark_pairs ON daymark_pairs.daymark_actor = daymark_cohorts.daymark_actor \
             AND daymark_day BETWEEN daymark_first + {from} AND daymark_first + {to}\n  \
             GROUP BY daymark_cohorts.daymark_actor, daymark_first) AS kept\n\
             GROUP BY daymark_first",
            dialect.zero(),
            dialect.pack(&values),
            flags.join(", ")
        )
    }

    /// For each reading its tallies, from the counts of each day's cohort.
    pub(super) fn of_days(&self, days: &[DayBounds], by_day: &BTreeMap<i64, Vec<i64>>) -> Vec<Vec<Tally>> {
        let Some(first) = days.first().map(|day| self.first(day.date)) else { return Vec::new() };
        let number = |date: Date| i64::from((date - first).get_days()) + 1;
        let count = |day: i64, place: usize| {
            by_day.get(&day).and_then(|counts| counts.get(place)).copied().unwrap_or_default()
        };
        let mut kept = 0;
        let of_reading = |wanted: &CohortCount| {
            if wanted.active_days().is_some() {
                kept += 1;
            }
            let place = kept;
            let tally = |day: &DayBounds| match *wanted {
                CohortCount::Retention { after_days, .. } => {
                    let cohort = number(day.date) - i64::from(after_days);
                    let (numerator, denominator) = (count(cohort, place), count(cohort, 0));
                    Tally::Ratio {
                        numerator: Decimal::from(numerator),
                        denominator: Decimal::from(denominator),
                    }
                }
                CohortCount::Arrivals { window_days } => {
                    let last = number(day.date);
                    let cohorts = by_day.range(last - i64::from(window_days) + 1..=last);
                    Tally::Count(cohorts.filter_map(|(_, counts)| counts.first()).sum())
                }
            };
            days.iter().map(tally).collect()
        };
        self.wanted.iter().map(of_reading).collect()
    }
}

/// The actors of each day's cohort. First rows are found among the days and among the actors with a row before them.
fn cohorts(activity: &CohortActivity<'_>, range: EdgeRange, inner: &[Edge]) -> String {
    if let Some(cohort) = &activity.cohort {
        let day = |time: &TimeColumn| format!("{} AS daymark_first, ", time.bucket(inner));
        return union(&cohort.selects(range, day));
    }
    let (Some(first), _) = range else { return String::new() };
    let earlier = union(&activity.active.selects((None, first), |_| String::new()));
    format!(
        "SELECT daymark_actor, min(daymark_day) AS daymark_first FROM (\n  \
         SELECT daymark_day, daymark_actor FROM daymark_pairs\n  \
         UNION ALL\n  \
         SELECT 0, daymark_actor FROM (\n  {earlier}) AS earlier) AS days\n  \
         GROUP BY daymark_actor HAVING min(daymark_day) > 0"
    )
}
