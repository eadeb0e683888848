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
    query_errors::{QueryErrors, RequestCounts},
    transition::next_state,
};
use crate::{
    clock::has_passed,
    collect::{CancellationToken, CollectError, Context},
    config::{AlertRule, Config, HEARTBEAT_CHANNEL},
    delivery::AlertLockWatch,
    store::{
        AlertState, AlertStatus, NewNotification, NotificationKind, RunKind, RunStatus, SharedWatch, Silence,
    },
    telemetry::{Counters, OutageLog},
};

/// How often an instance looks whether the store has changed.
const TICK: std::time::Duration = std::time::Duration::from_secs(1);
/// How often rules are evaluated while it does not change.
const INTERVAL: SignedDuration = SignedDuration::from_secs(30);
/// The shortest interval between two evaluations that commits cause. An alert is delivered within five seconds.
const CHANGE_INTERVAL: SignedDuration = SignedDuration::from_secs(3);
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
    failures: OutageLog,
}

/// The state between two evaluations. All of it but the counted requests can be read from the store again.
#[derive(Default)]
struct Memory {
    evaluated_at: Option<Timestamp>,
    /// The store version at the last evaluation.
    store_version: Option<u64>,
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
            failures: OutageLog::default(),
        }
    }

    /// Evaluates until `stop`, while this instance holds the lock of alerts.
    pub async fn run(&self, mut lock: AlertLockWatch, stop: &CancellationToken) {
        let mut memory = Memory::default();
        loop {
            let held = lock.borrow_and_update().clone();
            // The counters are noted also while another instance leads, so that this one knows the last minutes when it takes over.
            memory.sample_requests(&self.counters, self.context.now());
            if let Some(held) = held
                && memory.is_due(self.context.now(), self.watch.store_version())
            {
                let evaluated = self.evaluate_with(&mut memory).await;
                if evaluated.is_ok() {
                    held.beat().await;
                }
                self.log_outcome(evaluated);
            }
            tokio::select! {
                () = stop.cancelled() => return,
                changed = lock.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    fn log_outcome(&self, evaluated: Result<(), CollectError>) {
        let now = self.context.now();
        match evaluated {
            Err(error) => {
                if let Some(suppressed) = self.failures.failed(now) {
                    tracing::error!(%error, suppressed, "alerts cannot be evaluated; it is tried again");
                }
            }
            Ok(()) => {
                if let Some(lasted) = self.failures.ended(now) {
                    tracing::info!("alerts are evaluated again, after {lasted:#}");
                }
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
        // The store version is read before the store is, so that no commit is missed.
        (memory.evaluated_at, memory.store_version) = (Some(now), self.watch.store_version());
        let requests = memory.sample_requests(&self.counters, now);
        let facts = Facts { requests, ..read_facts(&self.context, &self.rules).await? };
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
        let changes = self.forget(changes).await?;
        let is_new = |change: &&StateChange| {
            change.before.as_ref().map(|before| before.status) != Some(change.after.status)
        };
        let news: Vec<_> = changes.iter().filter(is_new).map(|change| change.after.clone()).collect();
        let changed = changed(changes);
        if changed.is_empty() && notifications.is_empty() {
            return Ok(());
        }
        if store.commit_alerts(&changed, &notifications).await? {
            memory.heartbeat = heartbeat.map(|heartbeat| heartbeat.id).or(memory.heartbeat);
            news.iter().for_each(log);
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
        changes.extend(states.into_iter().map(|before| without_rule(before, now)));
        changes
    }

    /// Deletes the states of removed rules whose alerts have ended. Returns the other changes.
    async fn forget(&self, changes: Vec<StateChange>) -> Result<Vec<StateChange>, CollectError> {
        let is_over = |change: &StateChange| {
            let is_declared = self.rules.iter().any(|rule| rule.name == change.after.rule);
            !is_declared && change.after.status == AlertStatus::Normal
        };
        let (over, others): (Vec<_>, Vec<_>) = changes.into_iter().partition(is_over);
        for before in over.into_iter().filter_map(|change| change.before) {
            // If another instance has changed the state meanwhile, the next evaluation finds it again.
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

    fn sample_requests(&mut self, counters: &Counters, now: Timestamp) -> RequestCounts {
        let (requests, failed) = counters.query_counts();
        self.errors.sample(now, requests, failed)
    }

    fn is_due(&self, now: Timestamp, store_version: Option<u64>) -> bool {
        let interval = if self.store_version == store_version { INTERVAL } else { CHANGE_INTERVAL };
        self.evaluated_at.is_none_or(|at| has_passed(at, interval, now))
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

/// The state of a rule that was removed or switched off. Its condition may still hold, so the alert ends with the summary that the rule is
/// gone, and not with a summary that says that the condition no longer holds.
fn without_rule(before: AlertState, now: Timestamp) -> StateChange {
    let gone = "the configuration has no such rule any more".to_owned();
    let found = Evaluation::Clear(gone.clone());
    let mut after = next_state(&before.rule, SignedDuration::ZERO, Some(&before), &found, now);
    if before.status == AlertStatus::Firing {
        after.summary = gone;
    }
    StateChange { after, before: Some(before) }
}

/// The states that differ from what is stored, with the next revision.
fn changed(changes: Vec<StateChange>) -> Vec<AlertState> {
    let differs = |change: &StateChange| change.before.as_ref() != Some(&change.after);
    let next = |change: StateChange| AlertState {
        revision: change.after.revision.saturating_add(1),
        ..change.after
    };
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
