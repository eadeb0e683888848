//! Explains missing records from the collection log. Only runs that did not complete can explain a gap.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::gap::{Gap, GapCause};
use crate::{
    collect::{Context, Failure, failure, orphaned_runs},
    metric::Calendar,
    store::{LoggedRun, Run, RunStatus, StoreError, StoredDefinition},
};

/// The runs of a range that did not complete.
pub struct History {
    /// The runs, newest first.
    runs: Vec<Explanation>,
    /// For each day on which the set of covering runs changes: the indexes of the runs that cover it and the days up to
    /// the next entry, newest first.
    covering: BTreeMap<Date, Vec<usize>>,
}

struct Explanation {
    logged: LoggedRun,
    failures: Vec<Failure>,
}

impl History {
    pub(super) async fn read(context: &Context, from: Date, to: Date) -> Result<Self, StoreError> {
        Ok(Self::of(context.tenant.store.incomplete_runs(from, to).await?))
    }

    /// Builds the history from runs that did not complete, newest first.
    pub fn of(log: Vec<LoggedRun>) -> Self {
        let failures = |logged: &LoggedRun| failure::listed(logged.run.error_details.as_ref());
        let runs = log.into_iter().map(|logged| Explanation { failures: failures(&logged), logged });
        let runs: Vec<_> = runs.collect();
        let mut changes = BTreeMap::<Date, Vec<usize>>::new();
        for (index, Explanation { logged: LoggedRun { run, .. }, .. }) in runs.iter().enumerate() {
            for change in [Some(run.from), run.to.tomorrow().ok()].into_iter().flatten() {
                changes.entry(change).or_default().push(index);
            }
        }
        let mut now = BTreeSet::new();
        let mut covering = BTreeMap::new();
        for (day, changed) in changes {
            // Each run has two changes: the first day that it covers, and the day after the last.
            for index in changed {
                if !now.remove(&index) {
                    now.insert(index);
                }
            }
            covering.insert(day, now.iter().copied().collect());
        }
        Self { runs, covering }
    }

    /// Splits `missing`, which are intervals of consecutive finished days without a record of `metric`, into gaps with
    /// one cause each. `observable_from` is the first day that can still be observed: a metric that cannot be
    /// reconstructed can be recorded from that day on. The time grows with the number of runs and not of days.
    pub fn gaps(
        &self,
        calendar: &Calendar,
        metric: &StoredDefinition,
        missing: &[&[Date]],
        observable_from: Date,
    ) -> Vec<Gap> {
        let defined_on = calendar.date_of(metric.created_at);
        let mut gaps: Vec<Gap> = Vec::new();
        for interval in missing {
            let (mut rest, mut adjoining) = (*interval, false);
            while let Some(first) = rest.first().copied() {
                let (days, later) =
                    rest.split_at(self.same_cause_days(metric, rest, [observable_from, defined_on]));
                let last = days.last().copied().unwrap_or(first);
                let cause = self.cause(metric, first, observable_from, defined_on);
                match gaps.last_mut() {
                    Some(gap) if adjoining && gap.cause == cause => {
                        gap.last = last;
                        gap.days += days.len();
                    }
                    _ => {
                        let key = metric.definition.key();
                        gaps.push(Gap { key, first, last, days: days.len(), cause });
                    }
                }
                (rest, adjoining) = (later, true);
            }
        }
        gaps
    }

    /// Returns how many of `days`, from the first on, have the same cause as the first: until the covering runs change,
    /// until one of `edges`, or until a covering run failed for another reason.
    fn same_cause_days(&self, metric: &StoredDefinition, days: &[Date], edges: [Date; 2]) -> usize {
        let Some(first) = days.first() else { return 0 };
        let after_first = (std::ops::Bound::Excluded(*first), std::ops::Bound::Unbounded);
        let others = self.covering.range(after_first).next().map(|(day, _)| *day);
        let failed = self.covering(*first).flat_map(|run| run.edges(metric));
        let end = edges.into_iter().chain(failed).filter(|edge| edge > first).chain(others).min();
        end.map_or(days.len(), |end| days.partition_point(|day| *day < end))
    }

    /// The runs that cover `date`, newest first.
    fn covering(&self, date: Date) -> impl Iterator<Item = &Explanation> {
        let covering = self.covering.range(..=date).next_back();
        covering.into_iter().flat_map(|(_, runs)| runs).map(|index| &self.runs[*index])
    }

    fn cause(
        &self,
        metric: &StoredDefinition,
        date: Date,
        observable_from: Date,
        defined_on: Date,
    ) -> GapCause {
        if let Some(cause) = self.covering(date).find_map(Explanation::running) {
            return cause;
        }
        if let Some(cause) = self.covering(date).find_map(|run| run.failure_of(metric, date)) {
            return cause;
        }
        if date < observable_from && !metric.definition.measure.reconstructible() {
            return GapCause::NotReconstructible;
        }
        if defined_on > date { GapCause::DefinedLater { defined_on } } else { GapCause::NeverCollected }
    }
}

impl Explanation {
    fn running(&self) -> Option<GapCause> {
        let Run { kind, process_id, host, .. } = &self.logged.run;
        self.logged.is_alive.then(|| GapCause::Running {
            kind: *kind,
            process_id: *process_id,
            host: host.clone(),
        })
    }

    fn failure(&self, metric: &StoredDefinition) -> Option<&Failure> {
        self.failures.iter().find(|failure| failure.category == metric.definition.category)
    }

    /// The days from which the metric failed for another reason than on the day before.
    fn edges(&self, metric: &StoredDefinition) -> impl Iterator<Item = Date> {
        let days = self.failure(metric).into_iter().flat_map(|failure| &failure.days);
        days.flat_map(|days| [Some(days.first), days.last.tomorrow().ok()].into_iter().flatten())
    }

    /// The reason why this run did not record the metric on `date`, if the log names one.
    fn failure_of(&self, metric: &StoredDefinition, date: Date) -> Option<GapCause> {
        if let Some(failure) = self.failure(metric) {
            return failure.on(date).map(|message| GapCause::of(message.to_owned(), failure.timed_out));
        }
        let LoggedRun { run, .. } = &self.logged;
        let as_a_whole = self.failures.is_empty() && metric.created_at <= run.started_at;
        match run.status {
            RunStatus::Failed if as_a_whole => {
                let details = run.error_details.as_ref();
                let timed_out = details.is_some_and(|details| details.get("timed_out") == Some(&true.into()));
                let message = run.error_message.clone().unwrap_or_else(|| "no message".to_owned());
                Some(GapCause::of(message, timed_out))
            }
            RunStatus::Running if as_a_whole && self.logged.is_orphaned() => {
                Some(GapCause::of(orphaned_runs::orphaned_message(run), false))
            }
            _ => None,
        }
    }
}
