//! Evaluates the rules while this instance holds the lock of alerts, and writes what has changed.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use uuid::Uuid;

use super::{
    announcement::{Announced, Announcement, StateChange},
    condition::{Facts, evaluate},
    evaluation::Evaluation,
    facts::read_facts,
    query_errors::QueryErrors,
    transition::next_state,
};
use crate::{
    clock::has_passed,
    collect::{Cancellation, CollectError, Context},
    config::{AlertRule, Config, HEARTBEAT_CHANNEL},
    delivery::LeadWatch,
    store::{
        AlertState, AlertStatus, NewNotification, NotificationKind, RunKind, RunStatus, SharedWatch, Silence,
    },
    telemetry::{Counters, LogThrottle},
};

/// How often an instance looks whether the store has changed.
const TICK: std::time::Duration = std::time::Duration::from_secs(1);
/// How often rules are evaluated while it does not change.
const INTERVAL: SignedDuration = SignedDuration::from_secs(30);
/// The silences that end last, among which are those that hold.
const MAX_SILENCES: i64 = 500;
/// The greatest age of a completed run for which the heartbeat is called. An older one does not show that collecting still works.
const HEARTBEAT_AGE: SignedDuration = SignedDuration::from_hours(24);

/// Evaluates the rules of one tenant.
pub struct Evaluator {
    context: Context,
    rules: Vec<AlertRule>,
    channels: Vec<String>,
    repeat_every: SignedDuration,
    has_heartbeat: bool,
    counters: Counters,
    watch: SharedWatch,
    /// Wakes the delivery.
    written: Arc<Notify>,
    failures: LogThrottle,
}

/// The state between two evaluations. All of it but the counted requests can be read from the store again.
#[derive(Default)]
struct Memory {
    evaluated_at: Option<Timestamp>,
    /// The store's marker at the last evaluation.
    marker: Option<u64>,
    errors: QueryErrors,
    /// The run that the heartbeat was called for last.
    heartbeat: Option<Uuid>,
    /// The silences that held at the last evaluation.
    silences: Vec<Uuid>,
}

impl Evaluator {
    /// `written` is woken when notifications were written; `watch` notices commits to the store of `context`.
    pub fn new(
        context: &Context,
        config: &Config,
        counters: Counters,
        watch: SharedWatch,
        written: Arc<Notify>,
    ) -> Self {
        let declared = &config.declarations;
        let delivery = &config.settings.delivery;
        Self {
            context: context.clone(),
            rules: declared.alerts.clone(),
            channels: declared.channels.iter().map(|channel| channel.name.clone()).collect(),
            repeat_every: delivery.repeat_every,
            has_heartbeat: delivery.heartbeat_url.is_some(),
            counters,
            watch,
            written,
            failures: LogThrottle::new(),
        }
    }

    /// Evaluates until `stop`, while this instance holds the lock of alerts.
    pub async fn run(&self, mut lead: LeadWatch, stop: &Cancellation) {
        let mut memory = Memory::default();
        loop {
            let leads = lead.borrow_and_update().is_some();
            if leads
                && memory.is_due(self.context.now(), self.watch.marker())
                && let Err(error) = self.evaluate_with(&mut memory).await
                && let Some(suppressed) = self.failures.allow(self.context.now())
            {
                tracing::error!(%error, suppressed, "alerts cannot be evaluated; it is tried again");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                changed = lead.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    /// Evaluates all rules once.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn evaluate(&self) -> Result<(), CollectError> {
        self.evaluate_with(&mut Memory::default()).await
    }

    async fn evaluate_with(&self, memory: &mut Memory) -> Result<(), CollectError> {
        let (now, store) = (self.context.now(), &self.context.tenant.store);
        // The marker is read before the store is, so that no commit is missed.
        (memory.evaluated_at, memory.marker) = (Some(now), self.watch.marker());
        let mut facts = read_facts(&self.context, &self.rules).await?;
        let (requests, failed) = self.counters.query_counts();
        facts.requests = memory.errors.sample(now, requests, failed);
        let (states, silences) = (store.alert_states().await?, store.silences(MAX_SILENCES).await?);
        memory.log_ended(&silences, now);
        let mut changes = self.changes(&facts, states, now);
        let announcement = Announcement {
            tenant: &self.context.tenant.name,
            rules: &self.rules,
            channels: &self.channels,
            silences: &silences,
            repeat_every: self.repeat_every,
            now,
        };
        let mut notifications = notifications(announcement.announce(&mut changes), now);
        let heartbeat = self.heartbeat(&facts, memory, now);
        notifications.extend(heartbeat.iter().cloned());
        let changed = changed(self.forget(changes).await?);
        if changed.is_empty() && notifications.is_empty() {
            return Ok(());
        }
        if store.commit_alerts(&changed, &notifications).await? {
            memory.heartbeat = heartbeat.map(|heartbeat| heartbeat.id).or(memory.heartbeat);
            changed.iter().for_each(log);
            self.written.notify_one();
        }
        Ok(())
    }

    /// The states before and after, of the rules and of rules that were removed.
    fn changes(&self, facts: &Facts, mut states: Vec<AlertState>, now: Timestamp) -> Vec<StateChange> {
        let mut take = |name: &str| {
            let at = states.iter().position(|state| state.rule == name)?;
            Some(states.swap_remove(at))
        };
        let mut changes = Vec::with_capacity(self.rules.len());
        for rule in &self.rules {
            let before = take(&rule.name);
            let found = evaluate(&rule.condition, facts, now);
            let after = next_state(&rule.name, rule.holds_for, before.as_ref(), &found, now);
            changes.push(StateChange { before, after });
        }
        let gone = Evaluation::Clear("the configuration has no such rule any more".to_owned());
        changes.extend(states.into_iter().map(|before| StateChange {
            after: next_state(&before.rule, SignedDuration::ZERO, Some(&before), &gone, now),
            before: Some(before),
        }));
        changes
    }

    /// Deletes the states of rules that there are no more, once nothing is left to tell of them. Returns the other changes.
    async fn forget(&self, changes: Vec<StateChange>) -> Result<Vec<StateChange>, CollectError> {
        let is_over = |change: &StateChange| {
            let is_declared = self.rules.iter().any(|rule| rule.name == change.after.rule);
            !is_declared && change.after.status == AlertStatus::Normal
        };
        let (over, others): (Vec<_>, Vec<_>) = changes.into_iter().partition(is_over);
        for before in over.into_iter().filter_map(|change| change.before) {
            // Where another instance has changed it meanwhile, it is found again.
            self.context.tenant.store.forget_alert(&before).await?;
        }
        Ok(others)
    }

    /// The call for the newest collection that recorded everything. It has the run's id, so that there is one for each run.
    fn heartbeat(&self, facts: &Facts, memory: &Memory, now: Timestamp) -> Option<NewNotification> {
        let good =
            |run: &&crate::store::Run| run.kind == RunKind::Collect && run.status == RunStatus::Completed;
        let run = facts.runs.iter().find(good).filter(|_| self.has_heartbeat)?;
        let is_recent = run.completed_at.is_some_and(|at| now.duration_since(at) < HEARTBEAT_AGE);
        (is_recent && memory.heartbeat != Some(run.id)).then(|| NewNotification {
            id: run.id,
            channel: HEARTBEAT_CHANNEL.to_owned(),
            kind: NotificationKind::Heartbeat,
            content: serde_json::Map::new(),
            created_at: now,
        })
    }
}

impl Memory {
    /// Logs the silences that held at the last evaluation and do not any more.
    fn log_ended(&mut self, silences: &[Silence], now: Timestamp) {
        for silence in silences.iter().filter(|silence| self.silences.contains(&silence.id)) {
            if !silence.is_active(now) {
                let Silence { id, rule, reason, .. } = silence;
                tracing::info!(%id, rule, reason, "a silence has ended");
            }
        }
        let active = silences.iter().filter(|silence| silence.is_active(now));
        self.silences = active.map(|silence| silence.id).collect();
    }

    fn is_due(&self, now: Timestamp, marker: Option<u64>) -> bool {
        self.marker != marker || self.evaluated_at.is_none_or(|at| has_passed(at, INTERVAL, now))
    }
}

fn notifications(announced: Vec<Announced>, now: Timestamp) -> Vec<NewNotification> {
    let notification = |Announced { channel, kind, content }| NewNotification {
        id: Uuid::new_v4(),
        channel,
        kind,
        content: content.into_object(),
        created_at: now,
    };
    announced.into_iter().map(notification).collect()
}

/// The states that differ from what is stored, with the next revision.
fn changed(changes: Vec<StateChange>) -> Vec<AlertState> {
    let differs = |change: &StateChange| change.before.as_ref() != Some(&change.after);
    let next = |change: StateChange| AlertState { revision: change.after.revision + 1, ..change.after };
    changes.into_iter().filter(differs).map(next).collect()
}

fn log(state: &AlertState) {
    let AlertState { rule, summary, is_silenced, .. } = state;
    match state.status {
        AlertStatus::Firing => tracing::warn!(rule, summary, silenced = is_silenced, "an alert fires"),
        AlertStatus::Resolved => tracing::info!(rule, "an alert is resolved"),
        AlertStatus::Error => tracing::error!(rule, summary, "a rule of alerts cannot be evaluated"),
        AlertStatus::Normal | AlertStatus::Pending | AlertStatus::NoData => {}
    }
}
