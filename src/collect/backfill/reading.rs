//! The reading phase of a backfill: every group of metrics over its whole range at once, all from one cut. Only the
//! tallies are kept; records are made from them one chunk at a time, so that memory does not grow with the number of
//! records.

use jiff::{Timestamp, civil::Date};
use uuid::Uuid;

use super::{
    bisect::bisect,
    failures::Failures,
    missing::{Group, Missing, group},
};
use crate::{
    collect::{
        Context, Failure,
        batch::{Answers, Batch, MetricReadings},
        freshness::{self, Fresh},
        recording::{self, Stamp},
    },
    database::{Deadline, Fault},
    metric::{DayBounds, Record, Tally},
};

/// The groups of metrics that a backfill reads.
pub(super) struct Plan<'a> {
    missing: &'a [Missing],
    groups: Vec<GroupPlan>,
}

struct GroupPlan {
    group: Group,
    batch: Batch,
    /// One batch for each member alone, for metrics that fail and are read again.
    alone: Vec<Batch>,
}

/// Everything that was read, from which records are made.
pub(super) struct BackfillReading<'a> {
    missing: &'a [Missing],
    groups: Vec<GroupReading<'a>>,
    stamp: Stamp,
}

struct GroupReading<'a> {
    members: &'a [usize],
    days: Vec<DayBounds>,
    answers: Answers<'a, Vec<Tally>>,
    extent: Extent,
}

/// Whether a reading covers a group's whole range or an interval of it.
#[derive(Clone, PartialEq, Eq)]
enum Extent {
    /// The whole range. The metrics in `bisected` failed and were read again in shorter intervals.
    Whole {
        bisected: Vec<usize>,
    },
    Piece,
}

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
    ) -> Result<Fresh<BackfillReading<'a>>, Fault> {
        let schema = context.tenant.platform.inspect().await?;
        let mut cut = context.tenant.platform.open_cut(deadline).await?;
        let stamp = Stamp::of_backfill(context, run);
        let mut groups = Vec::new();
        for GroupPlan { group, batch, .. } in &self.groups {
            let days = context.tenant.calendar.days(group.first, group.last);
            if let Some(staleness) = freshness::obstacle(context, cut.as_mut(), batch, &days, began).await? {
                return Ok(Err(staleness));
            }
            let answers = batch.read(cut.as_mut(), &schema, &days).await?;
            let of_data = |answer: &MetricReadings<'_, _>| {
                days.len() > 1 && answer.fault().is_some_and(Fault::is_of_data)
            };
            let bisected: Vec<_> = answers.iter().filter(of_data).map(|answer| answer.metric).collect();
            groups.push(GroupReading {
                members: &group.members,
                days,
                answers,
                extent: Extent::Whole { bisected },
            });
        }
        // Bisection comes last: it may take until the deadline, and must not make the other metrics fail.
        for index in 0..self.groups.len() {
            let GroupPlan { group, alone, .. } = &self.groups[index];
            let Extent::Whole { bisected } = groups[index].extent.clone() else { continue };
            for metric in bisected {
                let members = &group.members[metric..=metric];
                let missing = &self.missing[members[0]].days;
                let days = &groups[index].days;
                let pieces = bisect(cut.as_mut(), &schema, &alone[metric], days, missing, deadline).await?;
                let piece = |(days, answers)| GroupReading { members, days, answers, extent: Extent::Piece };
                groups.extend(pieces.into_iter().map(piece));
            }
        }
        Ok(Ok(BackfillReading { missing: self.missing, groups, stamp }))
    }
}

impl BackfillReading<'_> {
    /// Returns the missing records from `first` to `last`. Days on which a metric cannot be evaluated are added to
    /// `failures`.
    pub fn records(&self, first: Date, last: Date, failures: &mut Failures) -> Vec<Record> {
        let mut records = Vec::new();
        for group in &self.groups {
            for answer in group.answers.iter() {
                let member = group.members[answer.metric];
                let metric = &self.missing[member].metric;
                for date in self.missing[member].between(first, last) {
                    let Ok(day) = group.days.binary_search_by_key(date, |day| day.date) else { continue };
                    // A fault of a whole reading is not counted by day here; `faults` lists it.
                    let Ok(tallies) = answer.of_day(day) else { continue };
                    match recording::record(metric, *date, &tallies, &self.stamp) {
                        Ok(record) => records.push(record),
                        Err(error) => {
                            let category = &metric.definition.category;
                            let failure = Failure::of_value(category, error.to_string());
                            failures.add_days(member, failure, *date, *date, 1);
                        }
                    }
                }
            }
        }
        records
    }

    /// Returns the metrics of which a reading failed, for all of their range or for some days.
    pub fn faults(&self) -> Failures {
        let mut failures = Failures::default();
        for group in &self.groups {
            for answer in group.answers.iter().filter(|answer| !group.was_bisected(answer.metric)) {
                let Err(fault) = answer.readings else { continue };
                let member = group.members[answer.metric];
                let missing = &self.missing[member];
                let failure = Failure::of_fault(&missing.metric.definition.category, fault);
                let (Some(first), Some(last)) = (group.days.first(), group.days.last()) else { continue };
                let (first, last) = (first.date, last.date);
                let days = missing.between(first, last).len();
                match group.extent {
                    Extent::Whole { .. } => failures.add_all(member, failure, days),
                    Extent::Piece => failures.add_days(member, failure, first, last, days),
                }
            }
        }
        failures
    }
}

impl GroupReading<'_> {
    fn was_bisected(&self, metric: usize) -> bool {
        matches!(&self.extent, Extent::Whole { bisected } if bisected.contains(&metric))
    }
}
