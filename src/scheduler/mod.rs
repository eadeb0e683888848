//! Collects on schedule: each day when it is due, and missed days. Of several instances on one store one leads; the
//! others stand by. The scheduler keeps no state of its own: it derives its next steps from the store and from earlier
//! jobs each time, so it may be killed at any moment.
//!
//! **Architecture Invariant:** [`decide`] decides the next steps, as a pure function of the state.

pub mod agenda;
pub mod attempts;
pub mod decide;
mod leadership;
mod quality;

use std::{sync::Arc, time::Duration};

use jiff::{Timestamp, ToSpan, civil::Date};

use self::{
    agenda::Agenda,
    attempts::Attempt,
    decide::{Known, Step},
    leadership::Leadership,
    quality::QualityWork,
};
use crate::{
    collect::{
        CancellationToken, CollectError, Context, MAX_ATTEMPTS, active_metrics, close_orphaned_runs,
        missed_until, missing_on,
    },
    database::Deadline,
    jobs::{ActiveJob, JobRunner, JobStartError, Task},
    store::{JobFilter, JobKind, SharedWatch, StoreError, Trigger},
    telemetry::{Counters, OutageLog},
};

/// The actor of the scheduler's runs, as the collection log names it.
const ACTOR: &str = "system";

/// How often an instance looks at its clock and at the leader's lock.
const TICK: Duration = Duration::from_secs(1);
/// How long the platform may take to answer the question whether it can be reached.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a look ended without a decision.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Collect(#[from] CollectError),
    #[error(transparent)]
    Job(#[from] JobStartError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The scheduler of one tenant in one instance.
pub struct Scheduler {
    context: Context,
    jobs: Arc<JobRunner>,
    counters: Counters,
    watch: SharedWatch,
    failures: OutageLog,
    /// How many recorded days are counted again each night.
    drift_sample_days: usize,
}

/// The state of an instance between two ticks. Everything except the lock can be read from the store again.
#[derive(Default)]
pub struct SchedulerState {
    leadership: Option<Leadership>,
    /// Whether the runs and jobs of processes that ended before this instance led are closed.
    has_closed_orphans: bool,
    agenda: Agenda,
    /// The jobs that this leader started and that have not ended.
    running: Vec<Arc<ActiveJob>>,
    quality: QualityWork,
}

impl SchedulerState {
    pub fn leads(&self) -> bool {
        self.leadership.is_some()
    }

    /// Waits until a recount that is in progress has ended.
    pub async fn recounted(&mut self) {
        self.quality.finished().await;
    }

    /// The jobs that the scheduler started and that have not ended.
    pub fn running(&self) -> &[Arc<ActiveJob>] {
        &self.running
    }

    fn is_running(&self, kind: JobKind) -> bool {
        self.running.iter().any(|job| job.kind() == kind)
    }
}

impl Scheduler {
    /// `watch` notices commits to the store of `context`.
    pub fn new(context: &Context, jobs: Arc<JobRunner>, counters: Counters, watch: SharedWatch) -> Self {
        let context = context.started_by(Trigger::Schedule, ACTOR);
        let failures = OutageLog::default();
        Self { context, jobs, counters, watch, failures, drift_sample_days: 0 }
    }

    /// Counts this number of recorded days again each night, beside collecting.
    #[must_use]
    pub fn sampling_drift(self, days: usize) -> Self {
        Self { drift_sample_days: days, ..self }
    }

    /// Collects until it is stopped. [`JobRunner::stop`] ends the jobs that are running then.
    pub async fn run(&self, stop: &CancellationToken) {
        let mut state = SchedulerState::default();
        loop {
            self.tick(&mut state).await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    /// Takes the lead if no instance has it, and as the leader starts the due tasks. It must be called every second.
    pub async fn tick(&self, state: &mut SchedulerState) {
        let mut done = self.try_tick(state).await;
        if done.is_ok()
            && let Err(error) = self.tend_quality(state).await
        {
            done = Err(error.into());
        }
        let now = self.context.now();
        match done {
            Err(error) => {
                state.agenda.look_failed(now);
                if let Some(suppressed) = self.failures.failed(now) {
                    tracing::error!(%error, suppressed, "the scheduler failed; it tries again in a moment");
                }
            }
            // Most ticks read nothing, and show nothing of the databases.
            Ok(has_read) => {
                if has_read && let Some(lasted) = self.failures.ended(now) {
                    tracing::info!("the scheduler works again, after {lasted:#}");
                }
            }
        }
        self.counters.scheduler_leads(state.leads());
    }

    /// Judges values and counts recorded days again, unless the leader collects.
    async fn tend_quality(&self, state: &mut SchedulerState) -> Result<(), StoreError> {
        if !state.leads() || !state.running.is_empty() {
            return Ok(());
        }
        let now = self.context.now();
        state.quality.judge(&self.context, now).await;
        let due = self.context.due_times().last_due(now).map(|date| (date, self.context.ready_at(date)));
        state.quality.sample(&self.context, due, self.drift_sample_days).await
    }

    /// Returns whether it read the store.
    async fn try_tick(&self, state: &mut SchedulerState) -> Result<bool, LookError> {
        match &mut state.leadership {
            None => {
                let Some(leadership) = Leadership::take(&self.context).await? else { return Ok(true) };
                tracing::info!("this instance leads: it collects from now on");
                *state = SchedulerState { leadership: Some(leadership), ..SchedulerState::default() };
            }
            Some(leadership) => {
                if !leadership.still_holds(&self.context).await? {
                    tracing::warn!("this instance has lost the leader's lock, and stands by");
                    state.leadership = None;
                    state.quality = QualityWork::default();
                    return Ok(false);
                }
            }
        }
        if !state.has_closed_orphans {
            close_orphaned_runs(&self.context, None).await?;
            self.jobs.close_orphaned().await?;
            state.has_closed_orphans = true;
        }
        let now = self.context.now();
        let before = state.running.len();
        state.running.retain(|job| job.is_running());
        if state.running.len() < before {
            state.agenda.job_ended();
        }
        // The version is read before the store is, so that no commit is missed.
        let version = self.watch.store_version();
        if !state.agenda.is_look_due(now, version) {
            return Ok(false);
        }
        let last_due = state.agenda.begin_look(now, version, &self.context.due_times());
        self.look(state, now, last_due).await?;
        Ok(true)
    }

    /// Starts the due tasks, `last_due` being the last day that is due.
    async fn look(
        &self,
        state: &mut SchedulerState,
        now: Timestamp,
        last_due: Option<Date>,
    ) -> Result<(), LookError> {
        let schedule = self.context.tenant.store.schedule_state().await?;
        if let Some(pause) = schedule.pause(now) {
            state.agenda.wake_until(pause.until);
            return Ok(());
        }
        let Some(last_due) = last_due else { return Ok(()) };
        for (trigger, step) in self.steps(state, now, last_due).await? {
            match step {
                Step::Wait { until } => state.agenda.wait(trigger, until),
                Step::Start { has_failed: true, .. } if !self.can_reach_platform().await => {
                    state.agenda.wait(trigger, agenda::retry_at(now));
                }
                Step::Start { task, .. } => self.start(state, task, trigger).await?,
            }
        }
        Ok(())
    }

    /// Starts a job. If that fails, the next look finds the missing days again.
    async fn start(
        &self,
        state: &mut SchedulerState,
        task: Task,
        trigger: Trigger,
    ) -> Result<(), JobStartError> {
        match self.jobs.start(task, trigger, ACTOR).await {
            Ok(job) => state.running.push(job),
            Err(error) => {
                state.agenda.catch_up_again();
                return Err(error);
            }
        }
        Ok(())
    }

    /// The due day and, every hour, the missed days before it.
    async fn steps(
        &self,
        state: &mut SchedulerState,
        now: Timestamp,
        last_due: Date,
    ) -> Result<Vec<(Trigger, Step)>, LookError> {
        let metrics = active_metrics(&self.context).await?;
        if metrics.is_empty() {
            return Ok(Vec::new());
        }
        let filter = JobFilter { limit: Some(MAX_ATTEMPTS), ..JobFilter::default() };
        let jobs = self.context.tenant.store.jobs(&filter).await?;
        let attempts: Vec<_> = jobs.iter().filter_map(Attempt::of).collect();
        let known = Known { now, attempts: &attempts };
        let mut steps = Vec::new();
        if !state.is_running(JobKind::Collect) {
            let missing = missing_on(&self.context, &metrics, last_due).await?;
            let step = known.collect(last_due, &missing, self.context.observed_until(last_due));
            steps.extend(step.map(|step| (Trigger::Schedule, step)));
        }
        let definitions: Vec<_> =
            metrics.iter().map(|metric| (metric.definition.key(), metric.version)).collect();
        if state.agenda.is_catch_up_due(now, &definitions) && !state.is_running(JobKind::Backfill) {
            let last = last_due.saturating_sub(1.day());
            let missed = missed_until(&self.context, &metrics, last).await?;
            steps.extend(known.catch_up(&missed).into_iter().map(|step| (Trigger::CatchUp, step)));
            state.agenda.caught_up(now, definitions);
        }
        Ok(steps)
    }

    async fn can_reach_platform(&self) -> bool {
        let opening = self.context.tenant.platform.open_cut(Deadline::after(PROBE_TIMEOUT));
        matches!(tokio::time::timeout(PROBE_TIMEOUT, opening).await, Ok(Ok(_)))
    }
}
