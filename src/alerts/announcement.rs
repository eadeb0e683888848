//! The changes that each channel is notified of: a function of the states, the rules, the silences and the time. All alerts of one evaluation that a
//! channel is notified of are one notification, unless they are too many for one.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::{
    clock::has_passed,
    config::AlertRule,
    message::{AlertNotice, NotificationContent},
    store::{AlertState, AlertStatus, FiredAs, NotificationKind, Silence},
};

/// How long after the next repetition a receiver that forgets alerts should still treat one as firing.
const VALIDITY_MARGIN: SignedDuration = SignedDuration::from_hours(1);
/// The longest summary of a notification, in characters.
const MAX_SUMMARY_CHARS: usize = 1000;

/// Rules that are not notified to a channel that was notified of another firing rule, because that one names the cause. When the cause
/// is over, what it leaves behind, such as days that are still being filled, is notified once it has lasted for the time that its own
/// rule must hold. Each rule comes after those that are its causes.
const CAUSES: [(&str, &[&str]); 2] = [
    ("nothing_recorded", &["collection_failing", "forgotten_pause"]),
    ("day_missing", &["collection_failing", "nothing_recorded"]),
];

/// The input that is the same for all alerts of an evaluation.
#[derive(Debug, Clone, Copy)]
pub struct Announcement<'a> {
    pub tenant: &'a str,
    pub rules: &'a [AlertRule],
    /// The names of all channels.
    pub channels: &'a [String],
    pub silences: &'a [Silence],
    pub repeat_every: SignedDuration,
    pub now: Timestamp,
}

/// A state before an evaluation and after it.
#[derive(Debug, Clone)]
pub struct StateChange {
    pub before: Option<AlertState>,
    pub after: AlertState,
}

/// The notification of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    pub channel: String,
    pub kind: NotificationKind,
    pub content: NotificationContent,
}

/// What channels know of causes.
#[derive(Debug, Default)]
struct KnownCauses {
    /// The channels that know that a rule fires.
    firing: BTreeMap<String, BTreeSet<String>>,
    /// When rules ceased to fire of which channels may know, and these channels.
    ended: BTreeMap<String, (Timestamp, Vec<String>)>,
}

impl Announcement<'_> {
    /// Returns the notifications and notes them in the states. For each channel, firing alerts come before resolved ones.
    pub fn announce(&self, changes: &mut [StateChange]) -> Vec<Announced> {
        let mut told: BTreeMap<(String, &str), (NotificationKind, Vec<AlertNotice>)> = BTreeMap::new();
        let mut known = KnownCauses::default();
        // Causes come first, because the channels that are notified of a cause are not notified of its effects.
        changes.sort_by_key(|change| rank(&change.after.rule));
        for change in changes.iter_mut() {
            let (kind, channels) = match change.after.status {
                AlertStatus::Firing => (NotificationKind::Firing, self.begin(change, &mut known)),
                _ => (NotificationKind::Resolved, self.end(change, &mut known)),
            };
            let notice = self.notice(change, kind);
            for channel in channels {
                let (_, notices) = told.entry((channel, kind.name())).or_insert_with(|| (kind, Vec::new()));
                notices.push(notice.clone());
            }
        }
        let divided = |((channel, _), (kind, alerts)): ((String, &str), (NotificationKind, _))| {
            let content = NotificationContent { tenant: self.tenant.to_owned(), alerts };
            content.divided().into_iter().map(move |content| Announced {
                channel: channel.clone(),
                kind,
                content,
            })
        };
        told.into_iter().flat_map(divided).collect()
    }

    /// The channels that are notified of the end: those that were notified that it fires, whether it is silenced or not.
    fn end(&self, change: &mut StateChange, known: &mut KnownCauses) -> Vec<String> {
        change.after.is_silenced = false;
        if change.after.status == AlertStatus::Resolved {
            let rule = &change.after.rule;
            known.ended.insert(rule.clone(), (change.after.since, self.channels_of(rule)));
        }
        let told = std::mem::take(&mut change.after.told);
        told.into_keys().filter(|channel| self.channels.contains(channel)).collect()
    }

    /// The channels that are notified that it fires.
    fn begin(&self, StateChange { before, after }: &mut StateChange, known: &mut KnownCauses) -> Vec<String> {
        if before.as_ref().is_none_or(|before| before.status != AlertStatus::Firing) {
            after.fired_as = Some(self.fired_as(&after.rule));
        }
        let was_silenced = before.as_ref().is_some_and(|before| before.is_silenced);
        after.is_silenced =
            self.silences.iter().any(|silence| silence.is_active(self.now) && silence.covers(&after.rule));
        let mut channels = self.channels_of(&after.rule);
        if after.is_silenced {
            channels.clear();
        }
        channels.retain(|channel| {
            let is_explained =
                causes(&after.rule).iter().any(|cause| self.explains(known, cause, &after.rule, channel));
            match after.told.get(channel) {
                // A channel that was just declared is notified at once.
                None => !is_explained,
                Some(at) => was_silenced || !is_explained && has_passed(*at, self.repeat_every, self.now),
            }
        });
        after.told.extend(channels.iter().map(|channel| (channel.clone(), self.now)));
        known.firing.insert(after.rule.clone(), after.told.keys().cloned().collect());
        channels
    }

    /// Whether a channel need not be notified of `effect`, because it knows of its cause.
    fn explains(&self, known: &KnownCauses, cause: &str, effect: &str, channel: &str) -> bool {
        let holds_for = self.rule(effect).map_or(SignedDuration::ZERO, |rule| rule.holds_for);
        let is_recent = |(at, channels): &(Timestamp, Vec<String>)| {
            channels.iter().any(|known| known == channel) && !has_passed(*at, holds_for, self.now)
        };
        known.firing.get(cause).is_some_and(|channels| channels.contains(channel))
            || known.ended.get(cause).is_some_and(is_recent)
    }

    fn rule(&self, name: &str) -> Option<&AlertRule> {
        self.rules.iter().find(|rule| rule.name == name)
    }

    fn fired_as(&self, rule: &str) -> FiredAs {
        let rule = self.rule(rule);
        FiredAs {
            severity: rule.map_or("warning", |rule| rule.severity.name()).to_owned(),
            labels: rule.map(|rule| rule.labels.clone()).unwrap_or_default(),
        }
    }

    fn channels_of(&self, rule: &str) -> Vec<String> {
        match self.rule(rule).and_then(|rule| rule.channels.as_ref()) {
            Some(named) => named.clone(),
            None => self.channels.to_vec(),
        }
    }

    fn notice(&self, StateChange { before, after }: &StateChange, kind: NotificationKind) -> AlertNotice {
        let until = self.now.checked_add(self.repeat_every).and_then(|at| at.checked_add(VALIDITY_MARGIN));
        let FiredAs { severity, labels } =
            after.fired_as.clone().unwrap_or_else(|| self.fired_as(&after.rule));
        let was_silenced = before.as_ref().is_some_and(|before| before.is_silenced);
        let ended_silence = self.ended_silence(&after.rule).filter(|_| was_silenced);
        AlertNotice {
            rule: after.rule.clone(),
            severity,
            summary: after.summary.chars().take(MAX_SUMMARY_CHARS).collect(),
            labels,
            started_at: after.started_at.unwrap_or(after.since),
            ended_at: (kind == NotificationKind::Resolved).then_some(self.now),
            valid_until: until.ok().filter(|_| kind == NotificationKind::Firing),
            ended_silence: ended_silence.filter(|_| kind == NotificationKind::Firing),
        }
    }

    /// The reason of the silence of a rule that ended last.
    fn ended_silence(&self, rule: &str) -> Option<String> {
        let ended =
            self.silences.iter().filter(|silence| silence.covers(rule) && !silence.is_active(self.now));
        let last = ended.max_by_key(|silence| silence.ended_at.unwrap_or(silence.ends_at))?;
        Some(last.reason.clone())
    }
}

fn causes(rule: &str) -> &'static [&'static str] {
    CAUSES.iter().find(|(effect, _)| *effect == rule).map_or(&[], |(_, causes)| causes)
}

fn rank(rule: &str) -> usize {
    CAUSES.iter().position(|(effect, _)| *effect == rule).map_or(0, |place| place + 1)
}

#[cfg(test)]
mod tests;
