//! What the collection log says about a gap. Only runs that did not complete can explain one.

use std::collections::HashMap;

use jiff::{ToSpan, civil::Date};

use super::GapCause;
use crate::{
    collect::{Context, Failure, dead_runs, failure},
    store::{Run, RunFilter, RunStatus, StoreError, StoredDefinition},
};

/// The runs of a range that did not complete.
pub struct History {
    /// Newest first.
    by_day: HashMap<Date, Vec<usize>>,
    runs: Vec<Explanation>,
}

struct Explanation {
    run: Run,
    failures: Vec<Failure>,
    alive: bool,
}

impl History {
    pub(super) async fn read(context: &Context, from: Date, to: Date) -> Result<Self, StoreError> {
        let filter = RunFilter { days: Some((from, to)), ..RunFilter::default() };
        let runs = context.store.runs(&filter).await?;
        Self::of(context, runs, from, to).await
    }

    /// What `runs`, newest first, say about `from..=to`. The store is asked only whether those that are logged as
    /// running are.
    pub async fn of(context: &Context, log: Vec<Run>, from: Date, to: Date) -> Result<Self, StoreError> {
        let (mut by_day, mut runs) = (HashMap::<Date, Vec<usize>>::new(), Vec::new());
        for run in log {
            let (first, last) = (run.from.max(from), run.to.min(to));
            if run.status == RunStatus::Completed || first > last {
                continue;
            }
            for day in first.series(1.day()).take_while(|day| *day <= last) {
                by_day.entry(day).or_default().push(runs.len());
            }
            let alive =
                run.status == RunStatus::Running && dead_runs::is_alive(context.store.as_ref(), &run).await?;
            runs.push(Explanation { failures: failure::listed(run.error_details.as_ref()), run, alive });
        }
        Ok(Self { by_day, runs })
    }

    /// Why there is no record of `metric` on `date`, which has happened and is not after `last_finished`.
    pub fn cause(
        &self,
        context: &Context,
        metric: &StoredDefinition,
        date: Date,
        last_finished: Date,
    ) -> GapCause {
        let runs = self.by_day.get(&date).into_iter().flatten().map(|index| &self.runs[*index]);
        if let Some(cause) = runs.clone().find_map(Explanation::at_work) {
            return cause;
        }
        if let Some(cause) = runs.clone().find_map(|run| run.failure_of(metric)) {
            return cause;
        }
        if date < last_finished && !metric.definition.measure.reconstructible() {
            return GapCause::NotReconstructible;
        }
        let defined_on = context.calendar.date_of(metric.created_at);
        if defined_on > date { GapCause::DefinedLater { defined_on } } else { GapCause::NeverCollected }
    }
}

impl Explanation {
    fn at_work(&self) -> Option<GapCause> {
        let Run { kind, process_id, host, .. } = &self.run;
        self.alive.then(|| GapCause::Running { kind: *kind, process_id: *process_id, host: host.clone() })
    }

    /// Why this run did not record the metric, if it tells.
    fn failure_of(&self, metric: &StoredDefinition) -> Option<GapCause> {
        let category = &metric.definition.category;
        if let Some(failure) = self.failures.iter().find(|failure| failure.category == *category) {
            return Some(GapCause::of(failure.message.clone(), failure.timed_out));
        }
        let as_a_whole = self.failures.is_empty() && metric.created_at <= self.run.started_at;
        match self.run.status {
            RunStatus::Failed if as_a_whole => {
                let details = self.run.error_details.as_ref();
                let timed_out = details.is_some_and(|details| details.get("timed_out") == Some(&true.into()));
                let message = self.run.error_message.clone().unwrap_or_else(|| "no message".to_owned());
                Some(GapCause::of(message, timed_out))
            }
            RunStatus::Running if as_a_whole && !self.alive => {
                Some(GapCause::of(dead_runs::obituary(&self.run), false))
            }
            _ => None,
        }
    }
}
