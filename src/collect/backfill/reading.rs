//! What a backfill reads: every group of metrics over its whole range at once, all from one cut. Only the tallies are
//! kept; records are made of them a chunk at a time, so that memory does not grow with the number of records.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date};
use uuid::Uuid;

use super::{
    bisect::bisect,
    missing::{Group, Missing, group},
};
use crate::{
    collect::{
        Context, Failure,
        batch::{Answer, Answers, Batch},
        freshness::{self, Fresh},
        recording::{self, Origin},
    },
    database::{Deadline, Fault},
    metric::{DayBounds, Record, Tally},
};

/// What is to be read.
pub(super) struct Plan<'a> {
    missing: &'a [Missing],
    groups: Vec<GroupPlan>,
}

struct GroupPlan {
    group: Group,
    batch: Batch,
    /// A batch for each member by itself, for what cannot be read together.
    alone: Vec<Batch>,
}

/// What was read.
pub(super) struct Reading<'a> {
    missing: &'a [Missing],
    groups: Vec<GroupReading<'a>>,
    origin: Origin,
}

struct GroupReading<'a> {
    members: &'a [usize],
    days: Vec<DayBounds>,
    answers: Answers<'a, Vec<Tally>>,
    extent: Extent,
}

/// How much of a group's range a reading is of.
#[derive(Clone, PartialEq, Eq)]
enum Extent {
    /// All of it. These of its metrics failed and were read again in pieces.
    Whole {
        narrowed: Vec<usize>,
    },
    Piece,
}

/// The metrics that failed, by their index in what is missing: what happened first, and to how many days.
#[derive(Default)]
pub(super) struct Failures(BTreeMap<usize, (Failure, usize)>);

impl<'a> Plan<'a> {
    pub fn new(missing: &'a [Missing]) -> Self {
        let plan = |group: Group| {
            let definitions = || group.members.iter().map(|member| &missing[*member].metric.definition);
            let batch = Batch::new(definitions().enumerate());
            let alone = definitions().map(|definition| Batch::new([(0, definition)])).collect();
            GroupPlan { group, batch, alone }
        };
        Self { missing, groups: group(missing).into_iter().map(plan).collect() }
    }

    /// Reads everything from a new cut.
    pub async fn read(
        &'a self,
        context: &Context,
        run: Uuid,
        deadline: Deadline,
        began: Timestamp,
    ) -> Result<Fresh<Reading<'a>>, Fault> {
        let schema = context.tenant.platform.inspect().await?;
        let mut cut = context.tenant.platform.open_cut(deadline).await?;
        let origin = Origin::of_backfill(context, run);
        let mut groups = Vec::new();
        for GroupPlan { group, batch, alone } in &self.groups {
            let days = context.tenant.calendar.days(group.first, group.last);
            if let Some(staleness) =
                freshness::obstacle(context, cut.as_mut(), batch, group.last, began).await?
            {
                return Ok(Err(staleness));
            }
            let answers = batch.read(cut.as_mut(), &schema, &days).await?;
            let of_data =
                |answer: &Answer<'_, _>| days.len() > 1 && answer.fault().is_some_and(Fault::is_of_data);
            let narrowed: Vec<_> = answers.iter().filter(of_data).map(|answer| answer.metric).collect();
            for &metric in &narrowed {
                let members = &group.members[metric..=metric];
                let pieces = bisect(cut.as_mut(), &schema, &alone[metric], &days).await?;
                groups.extend(pieces.into_iter().map(|(days, answers)| GroupReading {
                    members,
                    days,
                    answers,
                    extent: Extent::Piece,
                }));
            }
            let extent = Extent::Whole { narrowed };
            groups.push(GroupReading { members: &group.members, days, answers, extent });
        }
        Ok(Ok(Reading { missing: self.missing, groups, origin }))
    }
}

impl Reading<'_> {
    /// The records that are missing from `first` to `last`. A metric that cannot be evaluated goes to `failures`.
    pub fn records(&self, first: Date, last: Date, failures: &mut Failures) -> Vec<Record> {
        let mut records = Vec::new();
        for group in &self.groups {
            for answer in group.answers.iter() {
                let member = group.members[answer.metric];
                let metric = &self.missing[member].metric;
                for date in self.missing[member].between(first, last) {
                    let Ok(day) = group.days.binary_search_by_key(date, |day| day.date) else { continue };
                    // Faults of readings are not of a day; `faults` lists them.
                    let Ok(tallies) = answer.of_day(day) else { continue };
                    match recording::record(metric, *date, &tallies, &self.origin) {
                        Ok(record) => records.push(record),
                        Err(error) => {
                            let category = &metric.definition.category;
                            failures.add(member, Failure::of_value(category, format!("{date}: {error}")), 1);
                        }
                    }
                }
            }
        }
        records
    }

    /// The metrics of which a reading failed, for all of their range or for some days.
    pub fn faults(&self) -> Failures {
        let mut failures = Failures::default();
        for group in &self.groups {
            for answer in group.answers.iter().filter(|answer| !group.was_narrowed(answer.metric)) {
                if let Err(fault) = answer.readings {
                    let member = group.members[answer.metric];
                    let missing = &self.missing[member];
                    let failure = Failure::of_fault(&missing.metric.definition.category, fault);
                    failures.add(member, group.placed(failure), group.missing(missing));
                }
            }
        }
        failures
    }
}

impl GroupReading<'_> {
    fn was_narrowed(&self, metric: usize) -> bool {
        matches!(&self.extent, Extent::Whole { narrowed } if narrowed.contains(&metric))
    }

    /// The failure, saying of which days it is unless it is of all.
    fn placed(&self, failure: Failure) -> Failure {
        let place = match (&self.extent, self.days.as_slice()) {
            (Extent::Piece, [only]) => format!("{}: ", only.date),
            (Extent::Piece, [first, .., last]) => format!("{} to {}: ", first.date, last.date),
            _ => String::new(),
        };
        Failure { message: format!("{place}{}", failure.message), ..failure }
    }

    /// How many of the days that a metric lacks are in here.
    fn missing(&self, missing: &Missing) -> usize {
        match (self.days.first(), self.days.last()) {
            (Some(first), Some(last)) => missing.between(first.date, last.date).len(),
            _ => 0,
        }
    }
}

impl Failures {
    /// The number of days that failed; of a metric, the first failure is kept.
    fn add(&mut self, member: usize, failure: Failure, days: usize) {
        let entry = self.0.entry(member).or_insert((failure, 0));
        entry.1 += days;
    }

    pub fn contains(&self, member: usize) -> bool {
        self.0.contains_key(&member)
    }

    /// One for each metric, saying how many days it is about.
    pub fn list(&self) -> Vec<Failure> {
        let counted = |(failure, days): &(Failure, usize)| {
            let message = match days {
                1 => failure.message.clone(),
                days => format!("{} ({days} days)", failure.message),
            };
            Failure { message, ..failure.clone() }
        };
        self.0.values().map(counted).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_that_fails_on_many_days_is_listed_once() {
        let mut failures = Failures::default();
        let mut add = |member, category, message: &str| {
            failures.add(member, Failure::of_value(category, message.to_owned()), 1);
        };
        add(3, "balance", "2025-01-02: negative");
        add(3, "balance", "2025-01-03: negative");
        add(1, "rate", "2025-01-09: odd");
        let messages: Vec<_> = failures.list().into_iter().map(|failure| failure.summary()).collect();
        assert_eq!(messages, ["rate: 2025-01-09: odd", "balance: 2025-01-02: negative (2 days)"]);
        assert!(failures.contains(3) && !failures.contains(2));
    }
}
