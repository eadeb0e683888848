//! Collects on schedule: each day when it is due, and missed days. Of several instances on one store one leads; the
//! others stand by. The scheduler keeps no state of its own: it derives its next steps from the store and from earlier
//! jobs each time, so it may be killed at any moment.
//!
//! **Architecture Invariant:** [`decide`] decides the next steps, as a pure function of the state.

pub mod attempts;
pub mod decide;
mod leadership;
mod quality;
mod survey;

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date};

use self::{
    attempts::Attempt,
    decide::{Known, Step},
    leadership::Leadership,
    quality::QualityWork,
};
use crate::{
    collect::{Cancellation, CollectError, Context, active_metrics, close_orphaned_runs},
    database::Deadline,
    jobs::{ActiveJob, JobRunner, JobStartError, Task},
    metric::MetricKey,
    store::{JobFilter, RunKind, SharedWatch, StoreError, Trigger},
    telemetry::{Counters, LogThrottle},
};

/// The actor of the scheduler's runs, as the collection log names it.
const ACTOR: &str = "system";

/// How often an instance looks at its clock and at the leader's lock.
const TICK: Duration = Duration::from_secs(1);
/// How often the scheduler looks for missed days, in addition to its start, changes of definitions and the end of a
/// job.
const CATCH_UP_INTERVAL: SignedDuration = SignedDuration::from_hours(1);
/// How long after a look that failed, or while the platform is away, the next one follows.
const RETRY_INTERVAL: SignedDuration = SignedDuration::from_secs(30);
/// How often, at most, commits of others lead to a look.
const CHANGE_INTERVAL: SignedDuration = SignedDuration::from_secs(5);
/// How long the platform may take to answer the question whether it can be reached.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);
/// The newest jobs among which earlier attempts are found.
const MAX_ATTEMPTS: i64 = 200;

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
    failures: LogThrottle,
    /// How many recorded days are counted again each night.
    drift_sample_days: usize,
}

/// The state of an instance between two ticks. Everything except the lock can be read from the store again.
#[derive(Default)]
pub struct SchedulerState {
    leadership: Option<Leadership>,
    agenda: Agenda,
    quality: QualityWork,
}

/// The next steps of the leader.
#[derive(Default)]
struct Agenda {
    looked_at: Option<Timestamp>,
    /// The store's marker at the last look.
    marker: Option<u64>,
    /// When the next look is due, if nothing happens before.
    wake_at: Option<Timestamp>,
    /// When missed days are looked for again; `None`: at the next look.
    catch_up_at: Option<Timestamp>,
    /// The active metrics and their versions at the last look.
    definitions: Vec<(MetricKey, i32)>,
    /// The jobs that this leader started and that have not ended.
    running: Vec<Arc<ActiveJob>>,
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
        &self.agenda.running
    }
}

impl Scheduler {
    /// `watch` notices commits to the store of `context`.
    pub fn new(context: &Context, jobs: Arc<JobRunner>, counters: Counters, watch: SharedWatch) -> Self {
        let context = context.started_by(Trigger::Schedule, ACTOR);
        let failures = LogThrottle::new();
        Self { context, jobs, counters, watch, failures, drift_sample_days: 0 }
    }

    /// Counts this number of recorded days again each night, beside collecting.
    #[must_use]
    pub fn sampling_drift(self, days: usize) -> Self {
        Self { drift_sample_days: days, ..self }
    }

    /// Collects until it is stopped. [`JobRunner::stop`] ends the jobs that are running then.
    pub async fn run(&self, stop: &Cancellation) {
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
        if done.is_ok() {
            done = self.tend_quality(state).await.map_err(LookError::from);
        }
        if let Err(error) = done {
            state.agenda.wake_at = self.context.now().checked_add(RETRY_INTERVAL).ok();
            if let Some(suppressed) = self.failures.allow(self.context.now()) {
                tracing::error!(%error, suppressed, "the scheduler failed; it tries again in a moment");
            }
        }
        self.counters.scheduler_leads(state.leads());
    }

    /// Judges values and counts recorded days again, unless the leader collects.
    async fn tend_quality(&self, state: &mut SchedulerState) -> Result<(), StoreError> {
        if !state.leads() || !state.agenda.running.is_empty() {
            return Ok(());
        }
        let now = self.context.now();
        state.quality.judge(&self.context, now).await;
        let due = self.context.due_times().last_due(now).map(|date| (date, self.context.ready_at(date)));
        state.quality.sample(&self.context, due, self.drift_sample_days).await
    }

    async fn try_tick(&self, state: &mut SchedulerState) -> Result<(), LookError> {
        match &mut state.leadership {
            None => {
                let Some(leadership) = Leadership::take(&self.context).await? else { return Ok(()) };
                tracing::info!("this instance leads: it collects from now on");
                *state = SchedulerState { leadership: Some(leadership), ..SchedulerState::default() };
                close_orphaned_runs(&self.context, None).await?;
                self.jobs.close_orphaned().await?;
            }
            Some(leadership) => {
                if !leadership.still_holds(&self.context).await? {
                    tracing::warn!("this instance has lost the leader's lock, and stands by");
                    state.leadership = None;
                    state.quality = QualityWork::default();
                    return Ok(());
                }
            }
        }
        let agenda = &mut state.agenda;
        let now = self.context.now();
        if agenda.forget_ended_jobs() {
            agenda.wake_at = None;
            agenda.catch_up_at = None;
        }
        if !agenda.is_look_due(now, self.watch.marker()) {
            return Ok(());
        }
        // The marker is read before the store is, so that no commit is missed.
        (agenda.looked_at, agenda.marker) = (Some(now), self.watch.marker());
        let wake_at = self.look(agenda, now).await?;
        agenda.wake_at = Some(wake_at);
        Ok(())
    }

    /// Starts the due tasks. Returns the time of the next survey, if no event comes before.
    async fn look(&self, agenda: &mut Agenda, now: Timestamp) -> Result<Timestamp, LookError> {
        let due = self.context.due_times();
        let next_due = due.next_due(now).map(|(_, at)| at);
        let mut wake_at = now.checked_add(CATCH_UP_INTERVAL).unwrap_or(Timestamp::MAX);
        wake_at = next_due.map_or(wake_at, |at| wake_at.min(at));
        let state = self.context.tenant.store.schedule_state().await?;
        if let Some(pause) = state.pause(now) {
            return Ok(pause.until.map_or(wake_at, |until| wake_at.min(until)));
        }
        let Some(last_due) = due.last_due(now) else { return Ok(wake_at) };
        for (trigger, step) in self.steps(agenda, now, last_due).await? {
            let until = match step {
                Step::Wait { until } => until,
                Step::Start { has_failed: true, .. } if !self.can_reach_platform().await => {
                    now.checked_add(RETRY_INTERVAL).unwrap_or(Timestamp::MAX)
                }
                Step::Start { task, .. } => {
                    let job = self.start(agenda, task, trigger).await?;
                    agenda.running.push(job);
                    continue;
                }
            };
            wake_at = wake_at.min(until);
            if trigger == Trigger::CatchUp {
                agenda.catch_up_at = agenda.catch_up_at.map(|at| at.min(until));
            }
        }
        Ok(wake_at)
    }

    /// Starts a job. If that fails, the next survey finds the missing days again.
    async fn start(
        &self,
        agenda: &mut Agenda,
        task: Task,
        trigger: Trigger,
    ) -> Result<Arc<ActiveJob>, JobStartError> {
        let started = self.jobs.start(task, trigger, ACTOR).await;
        if started.is_err() {
            agenda.catch_up_at = None;
        }
        started
    }

    /// The due day and, every hour, the missed days before it.
    async fn steps(
        &self,
        agenda: &mut Agenda,
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
        if !agenda.is_at(RunKind::Collect) {
            let missing = survey::missing_on(&self.context, &metrics, last_due).await?;
            steps.extend(known.collect(last_due, &missing).map(|step| (Trigger::Schedule, step)));
        }
        let definitions: Vec<_> =
            metrics.iter().map(|metric| (metric.definition.key(), metric.version)).collect();
        let is_due = agenda.is_catch_up_due(now) || agenda.definitions != definitions;
        if is_due && !agenda.is_at(RunKind::Backfill) {
            let last = last_due.saturating_sub(1.day());
            let missed = survey::missed_until(&self.context, &metrics, last).await?;
            steps.extend(known.catch_up(&missed).into_iter().map(|step| (Trigger::CatchUp, step)));
            agenda.catch_up_at = now.checked_add(CATCH_UP_INTERVAL).ok();
            agenda.definitions = definitions;
        }
        Ok(steps)
    }

    async fn can_reach_platform(&self) -> bool {
        let opening = self.context.tenant.platform.open_cut(Deadline::after(PROBE_TIMEOUT));
        matches!(tokio::time::timeout(PROBE_TIMEOUT, opening).await, Ok(Ok(_)))
    }
}

impl Agenda {
    /// Whether a job that this leader started has ended.
    fn forget_ended_jobs(&mut self) -> bool {
        let before = self.running.len();
        self.running.retain(|job| job.is_running());
        self.running.len() < before
    }

    fn is_at(&self, kind: RunKind) -> bool {
        self.running.iter().any(|job| job.kind() == kind)
    }

    fn is_look_due(&self, now: Timestamp, marker: Option<u64>) -> bool {
        let (Some(looked_at), Some(wake_at)) = (self.looked_at, self.wake_at) else { return true };
        // A clock that was set back may have made other days due.
        now < looked_at
            || now >= wake_at
            || marker != self.marker && now.duration_since(looked_at) >= CHANGE_INTERVAL
    }

    fn is_catch_up_due(&self, now: Timestamp) -> bool {
        // A time that is further away than the interval was set before the clock was set back.
        self.catch_up_at.is_none_or(|at| now >= at || at.duration_since(now) > CATCH_UP_INTERVAL)
    }
}
