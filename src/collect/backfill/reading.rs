//! The reading phase of a backfill: every group of metrics over its whole range at once, all from one cut. Only the
//! tallies are kept; records are made from them one chunk at a time, so that memory does not grow with the number of
//! records.

use jiff::civil::Date;
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
        freshness::{CutAttempt, Fresh, Freshness, Refusals},
        lost_sessions::LostSessions,
        recording::{self, Stamp},
    },
    database::{Deadline, Fault},
    metric::{DayBounds, Definition, MetricKey, Record, Tally},
    platform::{Cut, Schema},
};

/// The groups of metrics that a backfill reads.
pub(super) struct Plan<'a> {
    context: &'a Context,
    run: Uuid,
    deadline: Deadline,
    missing: &'a [Missing],
    groups: Vec<Group>,
    freshness: Freshness<'a>,
    pub(super) lost_sessions: LostSessions,
}

/// Everything that was read, from which records are made.
pub(super) struct BackfillReading<'a> {
    missing: &'a [Missing],
    groups: Vec<GroupReading>,
    /// The metrics that were not read, by their index in `missing`.
    refused: Vec<(usize, Failure)>,
    stamp: Stamp,
}

struct GroupReading {
    members: Vec<usize>,
    days: Vec<DayBounds>,
    answers: Answers<Vec<Tally>>,
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
    /// `last_day` is the last one that a metric lacks.
    pub fn new(
        context: &'a Context,
        run: Uuid,
        deadline: Deadline,
        missing: &'a [Missing],
        last_day: DayBounds,
    ) -> Self {
        let definitions = missing.iter().map(|missing| &missing.metric.definition);
        let freshness = Freshness::new(context, definitions, last_day);
        let lost_sessions = LostSessions::new(context.installation.retry.retries);
        Self { context, run, deadline, missing, groups: group(missing), freshness, lost_sessions }
    }

    /// Reads everything from a new cut, except the metrics that read an old state.
    pub async fn read(&self, may_wait: bool) -> Result<Fresh<BackfillReading<'a>>, Fault> {
        let platform = &self.context.tenant.platform;
        let queries =
            Definition::source_queries(self.missing.iter().map(|missing| &missing.metric.definition));
        let schema = platform.inspect_with(&queries).await?;
        let mut cut = platform.open_cut(self.deadline).await?;
        let stamp = Stamp::of_backfill(self.context, self.run);
        let state = self.freshness.of_cut(cut.as_mut()).await?;
        let refusals = match state.refusals(&self.wanted(), self.attempt(may_wait)) {
            Ok(refusals) => refusals,
            Err(staleness) => return Ok(Err(staleness)),
        };
        let mut groups = Vec::new();
        for group in &self.groups {
            groups.push(self.read_group(cut.as_mut(), &schema, group, &refusals).await?);
        }
        // Bisection comes last: it may take until the deadline, and must not make the other metrics fail.
        for index in 0..groups.len() {
            let pieces = self.bisected(cut.as_mut(), &schema, &groups[index]).await?;
            groups.extend(pieces);
        }
        Ok(Ok(BackfillReading { missing: self.missing, groups, refused: self.refused(&refusals), stamp }))
    }

    /// The metrics with missing days, each with the last of its group's days.
    fn wanted(&self) -> Vec<(MetricKey, Date)> {
        let of_group =
            |group: &Group| group.members.iter().map(|member| (self.key(*member), group.last)).collect();
        self.groups.iter().flat_map::<Vec<_>, _>(of_group).collect()
    }

    fn attempt(&self, may_wait: bool) -> CutAttempt {
        let has_other_records = self.missing.iter().any(|missing| missing.already_there > 0);
        CutAttempt { may_wait, has_other_records }
    }

    fn refused(&self, refusals: &Refusals) -> Vec<(usize, Failure)> {
        let refused = |member| Some((member, refusals.get(&self.key(member))?.clone()));
        (0..self.missing.len()).filter_map(refused).collect()
    }

    fn key(&self, member: usize) -> MetricKey {
        self.missing[member].metric.definition.key()
    }

    /// A batch of the metrics with these indexes.
    fn batch(&self, members: &[usize]) -> Batch {
        Batch::new(members.iter().map(|member| &self.missing[*member].metric.definition).enumerate())
    }

    async fn read_group(
        &self,
        cut: &mut dyn Cut,
        schema: &Schema,
        group: &Group,
        refusals: &Refusals,
    ) -> Result<GroupReading, Fault> {
        let mut members = group.members.clone();
        members.retain(|member| !refusals.contains_key(&self.key(*member)));
        let days = self.context.tenant.calendar.days(group.first, group.last);
        let answers = self.batch(&members).read(cut, schema, &days, &self.lost_sessions).await?;
        let of_data =
            |answer: &MetricReadings<'_, _>| days.len() > 1 && answer.fault().is_some_and(Fault::is_of_data);
        let bisected = answers.iter().filter(of_data).map(|answer| answer.metric).collect();
        Ok(GroupReading { members, days, answers, extent: Extent::Whole { bisected } })
    }

    /// Reads the metrics of a group that failed because of the data of some days again, in shorter intervals.
    async fn bisected(
        &self,
        cut: &mut dyn Cut,
        schema: &Schema,
        group: &GroupReading,
    ) -> Result<Vec<GroupReading>, Fault> {
        let Extent::Whole { bisected } = &group.extent else { return Ok(Vec::new()) };
        let mut read = Vec::new();
        for metric in bisected {
            let member = group.members[*metric];
            let (alone, missing) = (self.batch(&[member]), &self.missing[member].days);
            let lost = &self.lost_sessions;
            let pieces = bisect(cut, schema, &alone, &group.days, missing, self.deadline, lost).await?;
            let piece = |(days, answers)| GroupReading {
                members: vec![member],
                days,
                answers,
                extent: Extent::Piece,
            };
            read.extend(pieces.into_iter().map(piece));
        }
        Ok(read)
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
                    // A fault of a whole reading is not counted by day here; `failures` lists it.
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

    /// Returns the metrics that were not read, and those of which a reading failed, for all of their range or for some days.
    pub fn failures(&self) -> Failures {
        let mut failures = Failures::default();
        for (member, failure) in &self.refused {
            failures.add_all(*member, failure.clone(), self.missing[*member].days.len());
        }
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

impl GroupReading {
    fn was_bisected(&self, metric: usize) -> bool {
        matches!(&self.extent, Extent::Whole { bisected } if bisected.contains(&metric))
    }
}
