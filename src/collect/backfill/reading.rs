//! What a backfill reads: every group of metrics over its whole range at once, all from one cut. Only the tallies are
//! kept; records are made of them a chunk at a time, so that memory does not grow with the number of records.

use std::collections::BTreeMap;

use jiff::civil::Date;
use uuid::Uuid;

use super::missing::{Group, Missing, group};
use crate::{
    collect::{
        Context, Failure,
        batch::{Answers, Batch},
        recording::{self, Origin},
    },
    database::Fault,
    metric::{DayBounds, Record, Tally},
};

/// What is to be read.
pub(super) struct Plan<'a> {
    missing: &'a [Missing],
    groups: Vec<(Group, Batch)>,
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
}

/// The metrics that failed, by their index in what is missing: what happened first, and to how many days.
#[derive(Default)]
pub(super) struct Failures(BTreeMap<usize, (Failure, usize)>);

impl<'a> Plan<'a> {
    pub fn new(missing: &'a [Missing]) -> Self {
        let with_batch = |group: Group| {
            let definitions = group.members.iter().map(|member| &missing[*member].metric.definition);
            let batch = Batch::new(definitions.enumerate());
            (group, batch)
        };
        Self { missing, groups: group(missing).into_iter().map(with_batch).collect() }
    }

    /// Reads everything from a new cut.
    pub async fn read(&'a self, context: &Context, run: Uuid) -> Result<Reading<'a>, Fault> {
        let schema = context.platform.inspect().await?;
        let mut cut = context.platform.open_cut().await?;
        let origin = Origin::of_backfill(context, run);
        let mut groups = Vec::new();
        for (group, batch) in &self.groups {
            let days = context.calendar.days(group.first, group.last);
            let answers = batch.read(cut.as_mut(), &schema, &days).await?;
            groups.push(GroupReading { members: &group.members, days, answers });
        }
        Ok(Reading { missing: self.missing, groups, origin })
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
                            failures.add(member, &metric.definition.category, format!("{date}: {error}"));
                        }
                    }
                }
            }
        }
        records
    }

    /// The metrics of which a reading failed, for the whole of their range.
    pub fn faults(&self) -> Failures {
        let mut failures = Failures::default();
        for group in &self.groups {
            for answer in group.answers.iter() {
                if let Err(fault) = answer.readings {
                    let member = group.members[answer.metric];
                    let missing = &self.missing[member];
                    let failure = Failure::of_fault(&missing.metric.definition.category, fault);
                    failures.0.insert(member, (failure, missing.days.len()));
                }
            }
        }
        failures
    }
}

impl Failures {
    fn add(&mut self, member: usize, category: &str, message: String) {
        let entry = self.0.entry(member).or_insert_with(|| (Failure::of_value(category, message), 0));
        entry.1 += 1;
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
        failures.add(3, "balance", "2025-01-02: negative".to_owned());
        failures.add(3, "balance", "2025-01-03: negative".to_owned());
        failures.add(1, "rate", "2025-01-09: odd".to_owned());
        let messages: Vec<_> = failures.list().into_iter().map(|failure| failure.summary()).collect();
        assert_eq!(messages, ["rate: 2025-01-09: odd", "balance: 2025-01-02: negative (2 days)"]);
        assert!(failures.contains(3) && !failures.contains(2));
    }
}
