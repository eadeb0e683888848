//! Who is told of which change: a function of the states, the rules, the silences and the time. All alerts of one evaluation that a
//! channel is told of are one notification.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::{
    config::AlertRule,
    delivery::{AlertNotice, NotificationContent},
    store::{AlertState, AlertStatus, NotificationKind, Silence},
};

/// How long past the next repetition a receiver that forgets alerts should take one as firing.
const VALIDITY_MARGIN: SignedDuration = SignedDuration::from_hours(1);

/// Rules that say nothing while another one fires, because that one names the cause.
const CAUSES: [(&str, &[&str]); 2] = [
    ("day_missing", &["collection_failing", "nothing_recorded"]),
    ("nothing_recorded", &["collection_failing", "forgotten_pause"]),
];

/// What is the same for all alerts of an evaluation.
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

/// What a channel is told.
pub type Announced = BTreeMap<(String, &'static str), (NotificationKind, NotificationContent)>;

impl Announcement<'_> {
    /// Notes in the states what is told of, and returns it by channel and kind.
    pub fn announce(&self, changes: &mut [StateChange]) -> Announced {
        let firing: BTreeSet<String> = changes
            .iter()
            .filter(|change| change.after.status == AlertStatus::Firing)
            .map(|change| change.after.rule.clone())
            .collect();
        let mut announced = Announced::new();
        for change in changes {
            let Some(kind) = self.told(change, &firing) else { continue };
            let notice = self.notice(&change.after, kind);
            for channel in self.channels_of(&change.after.rule) {
                let entry = announced.entry((channel, kind.name())).or_insert_with(|| {
                    (kind, NotificationContent { tenant: self.tenant.to_owned(), alerts: Vec::new() })
                });
                entry.1.alerts.push(notice.clone());
            }
        }
        announced
    }

    fn told(&self, change: &mut StateChange, firing: &BTreeSet<String>) -> Option<NotificationKind> {
        let (before, after) = (change.before.as_ref(), &mut change.after);
        if after.status != AlertStatus::Firing {
            // Where its firing was told, so is its end, whether it is silenced or not.
            let was_told = after.notified_at.take().is_some();
            after.is_silenced = false;
            return was_told.then_some(NotificationKind::Resolved);
        }
        let was_silenced = before.is_some_and(|before| before.is_silenced);
        after.is_silenced =
            self.silences.iter().any(|silence| silence.is_active(self.now) && silence.covers(&after.rule));
        let causes =
            CAUSES.iter().find(|(rule, _)| *rule == after.rule).map_or(&[][..], |(_, causes)| causes);
        let has_cause = causes.iter().any(|cause| firing.contains(*cause));
        if after.is_silenced || has_cause && after.notified_at.is_none() {
            return None;
        }
        // Without a channel nothing is told, so that a channel that is declared later hears of it at once.
        if self.channels_of(&after.rule).is_empty() {
            return None;
        }
        let is_due = match after.notified_at {
            None => true,
            Some(at) => was_silenced || !has_cause && self.now.duration_since(at) >= self.repeat_every,
        };
        if is_due {
            after.notified_at = Some(self.now);
        }
        is_due.then_some(NotificationKind::Firing)
    }

    fn rule(&self, name: &str) -> Option<&AlertRule> {
        self.rules.iter().find(|rule| rule.name == name)
    }

    /// A rule that the configuration has no more is told of on all channels.
    fn channels_of(&self, rule: &str) -> Vec<String> {
        let named = self.rule(rule).and_then(|rule| rule.channels.as_ref());
        named.unwrap_or(&self.channels.to_vec()).clone()
    }

    fn notice(&self, state: &AlertState, kind: NotificationKind) -> AlertNotice {
        let rule = self.rule(&state.rule);
        let until = self.now.checked_add(self.repeat_every).and_then(|at| at.checked_add(VALIDITY_MARGIN));
        AlertNotice {
            rule: state.rule.clone(),
            severity: rule.map_or("warning", |rule| rule.severity.name()).to_owned(),
            summary: state.summary.clone(),
            labels: rule.map(|rule| rule.labels.clone()).unwrap_or_default(),
            started_at: state.started_at.unwrap_or(state.since),
            ended_at: (kind == NotificationKind::Resolved).then_some(self.now),
            valid_until: until.ok().filter(|_| kind == NotificationKind::Firing),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::{
        alerts::{condition::Evaluation, transition::next_state},
        config::built_in_rules,
    };

    fn at(hour: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hour)
    }

    fn silence(from: i64, to: i64) -> Silence {
        Silence {
            id: Uuid::nil(),
            rule: None,
            reason: "moving".to_owned(),
            created_at: at(from),
            created_by: "cli:anna".to_owned(),
            ends_at: at(to),
            ended_at: None,
            ended_by: None,
        }
    }

    /// What the channels are told hour by hour, where `holds` says which rules' conditions hold.
    fn told(silences: &[Silence], hours: i64, holds: impl Fn(&str, i64) -> bool) -> Vec<(i64, String)> {
        let rules = built_in_rules();
        let channels = ["ops".to_owned()];
        let mut states: Vec<AlertState> = Vec::new();
        let mut told = Vec::new();
        for hour in 0..hours {
            let found = |rule: &str| match holds(rule, hour) {
                true => Evaluation::Holds(String::new()),
                false => Evaluation::Clear(String::new()),
            };
            let change = |rule: &AlertRule| {
                let before = states.iter().find(|state| state.rule == rule.name).cloned();
                let after = next_state(
                    &rule.name,
                    SignedDuration::ZERO,
                    before.as_ref(),
                    &found(&rule.name),
                    at(hour),
                );
                StateChange { before, after }
            };
            let mut changes: Vec<_> = rules.iter().map(change).collect();
            // A silence that begins later is not known yet.
            let silences: Vec<_> =
                silences.iter().filter(|silence| silence.created_at <= at(hour)).cloned().collect();
            let announcement = Announcement {
                tenant: "default",
                rules: &rules,
                channels: &channels,
                silences: &silences,
                repeat_every: SignedDuration::from_hours(24),
                now: at(hour),
            };
            for ((_, kind), (_, content)) in announcement.announce(&mut changes) {
                let names: Vec<_> = content.alerts.into_iter().map(|alert| alert.rule).collect();
                told.push((hour, format!("{kind} {}", names.join(" "))));
            }
            states = changes.into_iter().map(|change| change.after).collect();
        }
        told
    }

    fn shown(told: &[(i64, String)]) -> Vec<(i64, &str)> {
        told.iter().map(|(hour, what)| (*hour, what.as_str())).collect()
    }

    #[test]
    fn one_cause_is_one_notification() {
        let away = told(&[], 12, |rule, hour| {
            (1..7).contains(&hour)
                && ["collection_failing", "day_missing", "nothing_recorded"].contains(&rule)
        });
        assert_eq!(shown(&away), [(1, "firing collection_failing"), (7, "resolved collection_failing")]);
        let unfilled = told(&[], 12, |rule, hour| match rule {
            "collection_failing" => (1..7).contains(&hour),
            "day_missing" => (1..9).contains(&hour),
            _ => false,
        });
        assert_eq!(
            shown(&unfilled),
            [
                (1, "firing collection_failing"),
                (7, "firing day_missing"),
                (7, "resolved collection_failing"),
                (9, "resolved day_missing"),
            ],
            "what the cause leaves behind is told when the cause is gone"
        );
    }

    #[test]
    fn alerts_of_one_moment_are_one_notification_and_are_repeated() {
        let both = told(&[], 50, |rule, _| ["slow_collection", "query_errors"].contains(&rule));
        let what = "firing query_errors slow_collection";
        assert_eq!(shown(&both), [(0, what), (24, what), (48, what)]);
    }

    #[test]
    fn a_channel_that_is_declared_later_is_told_at_once() {
        let rules = built_in_rules();
        let rule = rules.iter().find(|rule| rule.name == "slow_collection").unwrap();
        let after =
            next_state(&rule.name, SignedDuration::ZERO, None, &Evaluation::Holds(String::new()), at(0));
        let mut changes = [StateChange { before: None, after }];
        let announced = |channels: &[String], changes: &mut [StateChange]| {
            let (silences, repeat_every) = (&[], SignedDuration::from_hours(24));
            let announcement = Announcement {
                tenant: "default",
                rules: &rules,
                channels,
                silences,
                repeat_every,
                now: at(1),
            };
            announcement.announce(changes).len()
        };
        assert_eq!(announced(&[], &mut changes), 0);
        assert_eq!(announced(&["ops".to_owned()], &mut changes), 1);
        assert_eq!(announced(&["ops".to_owned()], &mut changes), 0);
    }

    #[test]
    fn a_silence_ends_and_a_resolution_arrives_all_the_same() {
        let slow = |from: i64, to: i64| {
            move |rule: &str, hour: i64| rule == "slow_collection" && (from..to).contains(&hour)
        };
        let silences = [silence(2, 5)];
        let (fires, over) = ("firing slow_collection", "resolved slow_collection");
        assert!(told(&silences, 10, slow(3, 4)).is_empty(), "it began and ended in silence");
        assert_eq!(
            shown(&told(&silences, 10, slow(3, 7))),
            [(5, fires), (7, over)],
            "the silence ended first"
        );
        assert_eq!(shown(&told(&silences, 10, slow(1, 4))), [(1, fires), (4, over)], "it was told before");
        assert_eq!(shown(&told(&silences, 10, slow(1, 7))), [(1, fires), (5, fires), (7, over)]);
    }

    proptest! {
        #[test]
        fn what_was_told_to_fire_is_told_to_be_over(
            holds in prop::collection::vec(any::<[bool; 6]>(), 1..60),
            from in 0_i64..40,
            length in 1_i64..20,
        ) {
            let rules = built_in_rules();
            let place = |rule: &str| rules.iter().position(|other| other.name == rule).unwrap();
            let hours = holds.len() as i64;
            // In the last hour everything is well.
            let is_holding = |rule: &str, hour: i64| holds.get(hour as usize).is_some_and(|holds| holds[place(rule)]);
            let told = told(&[silence(from, from + length)], hours + 1, is_holding);
            for rule in &rules {
                let of_rule: Vec<_> = told.iter().filter(|(_, what)| what.contains(&rule.name)).collect();
                let mut fires = false;
                for (hour, what) in of_rule {
                    if what.starts_with("firing") {
                        prop_assert!(is_holding(&rule.name, *hour), "{} was told at {}", rule.name, hour);
                        prop_assert!(!(from..from + length).contains(hour), "a silence holds");
                        fires = true;
                    } else {
                        prop_assert!(fires, "{} was over before it was told to fire", rule.name);
                        fires = false;
                    }
                }
                prop_assert!(!fires, "{} was never told to be over", rule.name);
            }
        }
    }
}
