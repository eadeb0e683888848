//! The notifications of a sequence of hours.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    alerts::{evaluation::Evaluation, transition::next_state},
    config::{AlertSeverity, built_in_rules},
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

/// The notifications of the only channel hour by hour, where `holds` says which rules' conditions hold.
fn told(silences: &[Silence], hours: i64, holds: impl Fn(&str, i64) -> bool) -> Vec<(i64, String)> {
    let told = told_by(&built_in_rules(), &["ops"], silences, hours, holds);
    told.into_iter().map(|(hour, _, what)| (hour, what)).collect()
}

/// The notifications of each channel, by its name.
fn told_by(
    rules: &[AlertRule],
    channels: &[&str],
    silences: &[Silence],
    hours: i64,
    holds: impl Fn(&str, i64) -> bool,
) -> Vec<(i64, String, String)> {
    let channels: Vec<_> = channels.iter().map(|name| (*name).to_owned()).collect();
    let mut states: Vec<AlertState> = Vec::new();
    let mut told = Vec::new();
    for hour in 0..hours {
        let found = |rule: &str| match holds(rule, hour) {
            true => Evaluation::Holds(String::new()),
            false => Evaluation::Clear(String::new()),
        };
        let change = |rule: &AlertRule| {
            let before = states.iter().find(|state| state.rule == rule.name).cloned();
            let after =
                next_state(&rule.name, SignedDuration::ZERO, before.as_ref(), &found(&rule.name), at(hour));
            StateChange { before, after }
        };
        let mut changes: Vec<_> = rules.iter().map(change).collect();
        // A silence that begins later is not known yet.
        let silences: Vec<_> =
            silences.iter().filter(|silence| silence.created_at <= at(hour)).cloned().collect();
        let announcement = Announcement {
            tenant: "default",
            rules,
            channels: &channels,
            silences: &silences,
            repeat_every: SignedDuration::from_hours(24),
            now: at(hour),
        };
        for Announced { channel, kind, content } in announcement.announce(&mut changes) {
            let names: Vec<_> = content.alerts.into_iter().map(|alert| alert.rule).collect();
            told.push((hour, channel, format!("{} {}", kind.name(), names.join(" "))));
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
        (1..7).contains(&hour) && ["collection_failing", "day_missing", "nothing_recorded"].contains(&rule)
    });
    assert_eq!(shown(&away), [(1, "firing collection_failing"), (7, "resolved collection_failing")]);
    let unfilled = |until: i64| {
        told(&[], 14, move |rule, hour| match rule {
            "collection_failing" => (1..7).contains(&hour),
            "day_missing" => (1..until).contains(&hour),
            _ => false,
        })
    };
    let (fires, over) = ((1, "firing collection_failing"), (7, "resolved collection_failing"));
    assert_eq!(
        shown(&unfilled(8)),
        [fires, over],
        "the missed days are filled within the hour that the rule must hold"
    );
    assert_eq!(
        shown(&unfilled(10)),
        [fires, over, (8, "firing day_missing"), (10, "resolved day_missing")],
        "the effects that remain are notified when they last"
    );
}

#[test]
fn alerts_of_one_moment_are_one_notification_and_are_repeated() {
    let both = told(&[], 50, |rule, _| ["slow_collection", "query_errors"].contains(&rule));
    let what = "firing query_errors slow_collection";
    assert_eq!(shown(&both), [(0, what), (24, what), (48, what)]);
}

#[test]
fn a_channel_that_is_declared_later_is_notified_at_once() {
    let rules = built_in_rules();
    let rule = rules.iter().find(|rule| rule.name == "slow_collection").unwrap();
    let after = next_state(&rule.name, SignedDuration::ZERO, None, &Evaluation::Holds(String::new()), at(0));
    let mut changes = [StateChange { before: None, after }];
    let announced = |channels: &[String], changes: &mut [StateChange]| {
        let (silences, repeat_every) = (&[], SignedDuration::from_hours(24));
        let announcement =
            Announcement { tenant: "default", rules: &rules, channels, silences, repeat_every, now: at(1) };
        announcement.announce(changes).len()
    };
    assert_eq!(announced(&[], &mut changes), 0);
    assert_eq!(announced(&["ops".to_owned()], &mut changes), 1);
    assert_eq!(announced(&["ops".to_owned()], &mut changes), 0);
}

#[test]
fn a_resolution_during_a_silence_is_notified() {
    let slow = |from: i64, to: i64| {
        move |rule: &str, hour: i64| rule == "slow_collection" && (from..to).contains(&hour)
    };
    let silences = [silence(2, 5)];
    let (fires, over) = ("firing slow_collection", "resolved slow_collection");
    assert!(told(&silences, 10, slow(3, 4)).is_empty(), "it began and ended in silence");
    assert_eq!(shown(&told(&silences, 10, slow(3, 7))), [(5, fires), (7, over)], "the silence ended first");
    assert_eq!(shown(&told(&silences, 10, slow(1, 4))), [(1, fires), (4, over)], "it was told before");
    assert_eq!(shown(&told(&silences, 10, slow(1, 7))), [(1, fires), (5, fires), (7, over)]);
}

proptest! {
    #[test]
    fn the_end_of_a_notified_alert_is_notified(
        holds in prop::collection::vec(any::<[bool; 8]>(), 1..60),
        from in 0_i64..40,
        length in 1_i64..20,
    ) {
        let rules = built_in_rules();
        let place = |rule: &str| rules.iter().position(|other| other.name == rule).unwrap();
        let hours = holds.len() as i64;
        // In the last hour no condition holds.
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

fn silence_of(rule: &str, from: i64, to: i64) -> Silence {
    Silence { rule: Some(rule.to_owned()), ..silence(from, to) }
}

/// `collection_failing` holds until hour 7 and `day_missing` until hour 9.
fn cause_and_effect(rule: &str, hour: i64) -> bool {
    match rule {
        "collection_failing" => (1..7).contains(&hour),
        "day_missing" => (1..9).contains(&hour),
        _ => false,
    }
}

#[test]
fn a_cause_suppresses_its_effects_only_on_its_own_channels() {
    let mut rules = built_in_rules();
    let failing = rules.iter_mut().find(|rule| rule.name == "collection_failing").unwrap();
    failing.channels = Some(vec!["ops".to_owned()]);
    let told = told_by(&rules, &["data", "ops"], &[], 12, cause_and_effect);
    let of = |name: &str| -> Vec<(i64, &str)> {
        let told = told.iter().filter(|(_, channel, _)| channel == name);
        told.map(|(hour, _, what)| (*hour, what.as_str())).collect()
    };
    assert_eq!(of("data"), [(1, "firing day_missing"), (9, "resolved day_missing")]);
    assert_eq!(
        of("ops"),
        [
            (1, "firing collection_failing"),
            (7, "resolved collection_failing"),
            (8, "firing day_missing"),
            (9, "resolved day_missing"),
        ]
    );
}

#[test]
fn a_silenced_cause_suppresses_no_effect() {
    let silenced = told(&[silence_of("collection_failing", 0, 20)], 12, cause_and_effect);
    assert_eq!(shown(&silenced), [(1, "firing day_missing"), (9, "resolved day_missing")]);
    let later = told(&[silence_of("collection_failing", 3, 20)], 12, |rule, hour| match rule {
        "day_missing" => (5..9).contains(&hour),
        _ => cause_and_effect(rule, hour),
    });
    assert_eq!(
        shown(&later),
        [
            (1, "firing collection_failing"),
            (7, "resolved collection_failing"),
            (8, "firing day_missing"),
            (9, "resolved day_missing"),
        ],
        "the channel knows of the cause"
    );
}

fn firing_state(rule: &AlertRule, hour: i64) -> StateChange {
    let after =
        next_state(&rule.name, SignedDuration::ZERO, None, &Evaluation::Holds("it is".to_owned()), at(hour));
    StateChange { before: None, after }
}

#[test]
fn an_alert_keeps_the_severity_and_the_labels_that_it_fired_with() {
    let rule = |team: &str, severity| AlertRule {
        labels: [("team".to_owned(), team.to_owned())].into(),
        severity,
        ..built_in_rules().remove(3)
    };
    let (old, new) = (rule("data", AlertSeverity::Critical), rule("web", AlertSeverity::Info));
    let channels = ["ops".to_owned()];
    let announced = |rules: &[AlertRule], hour, change: &mut StateChange| {
        let announcement = Announcement {
            tenant: "default",
            rules,
            channels: &channels,
            silences: &[],
            repeat_every: SignedDuration::from_hours(24),
            now: at(hour),
        };
        let mut told = announcement.announce(std::slice::from_mut(change));
        assert_eq!(told.len(), 1);
        told.remove(0).content.alerts.remove(0)
    };
    let mut change = firing_state(&old, 0);
    let began = announced(std::slice::from_ref(&old), 0, &mut change);
    assert_eq!((began.severity.as_str(), began.labels["team"].as_str()), ("critical", "data"));
    let next = |change: &StateChange, found: Evaluation, hour| {
        let before = change.after.clone();
        let after = next_state(&old.name, SignedDuration::ZERO, Some(&before), &found, at(hour));
        StateChange { before: Some(before), after }
    };
    let holds = || Evaluation::Holds("it is".to_owned());
    let clear = || Evaluation::Clear("it is not".to_owned());
    let mut repeated = next(&change, holds(), 24);
    let again = announced(std::slice::from_ref(&new), 24, &mut repeated);
    assert_eq!((&again.severity, &again.labels), (&began.severity, &began.labels));
    let mut ended = next(&repeated, clear(), 25);
    let over = announced(std::slice::from_ref(&new), 25, &mut ended);
    assert_eq!((&over.severity, &over.labels), (&began.severity, &began.labels));
    let mut removed = next(&repeated, clear(), 25);
    let over = announced(&[], 25, &mut removed);
    assert_eq!((&over.severity, &over.labels), (&began.severity, &began.labels));
    let mut anew = next(&ended, holds(), 26);
    let fires = announced(&[new], 26, &mut anew);
    assert_eq!((fires.severity.as_str(), fires.labels["team"].as_str()), ("info", "web"));
}

#[test]
fn a_notification_after_a_silence_names_the_silence() {
    let rule = built_in_rules().remove(3);
    let mut change = firing_state(&rule, 0);
    change.after.is_silenced = true;
    let before = change.after.clone();
    let mut change = StateChange { before: Some(before.clone()), after: before };
    let (channels, silences) = (["ops".to_owned()], [silence(0, 5)]);
    let announcement = Announcement {
        tenant: "default",
        rules: &[rule],
        channels: &channels,
        silences: &silences,
        repeat_every: SignedDuration::from_hours(24),
        now: at(5),
    };
    let told = announcement.announce(std::slice::from_mut(&mut change));
    assert_eq!(told[0].content.alerts[0].ended_silence.as_deref(), Some("moving"));
}
